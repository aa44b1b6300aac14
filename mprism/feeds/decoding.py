"""What all exchanges' messages share: bounds of ids and times, and what decoding can raise."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

NS_PER_MS: Final = 1_000_000

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# Up to the year 2262, where nanoseconds no longer fit 64 bits.
Milliseconds = Annotated[int, Meta(ge=0, le=(2**63 - 1) // NS_PER_MS)]

UNDECODABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding text or bytes from outside can raise.

Bad UTF-8 is no DecodeError, and thousands of nested brackets are a RecursionError.
"""
