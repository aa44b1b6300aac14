"""What all exchanges' messages share: bounds of ids and times, and why one cannot be decoded."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from mprism.feeds.protocol import Reject

NS_PER_MS: Final = 1_000_000

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# Up to the year 2262, where nanoseconds no longer fit 64 bits.
Milliseconds = Annotated[int, Meta(ge=0, le=(2**63 - 1) // NS_PER_MS)]

UNDECODABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding text or bytes from outside can raise.

Bad UTF-8 is no DecodeError, and thousands of nested brackets are a RecursionError.
"""


def object_in(frame: str) -> dict[str, Any] | Reject:
    """What a frame holds, or why it is no JSON object. Slow, and only for refused frames."""
    try:
        raw = msgspec.json.decode(frame)
    except UNDECODABLE as syntax:
        return Reject("invalid JSON", str(syntax))
    return raw if isinstance(raw, dict) else Reject("not an object", type(raw).__name__)


def explain(frame: str, error: Exception) -> Reject:
    """Why `frame` could not be decoded, which failed with `error`."""
    found = object_in(frame)
    return found if isinstance(found, Reject) else Reject("malformed frame", str(error))
