"""REST answers of OKX: an envelope with a code, whatever the HTTP status says."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.errors import HTTP_REFUSED, FeedError, NetworkFault, Throttled

_TOO_MANY: Final = frozenset({"50011", "50061"})
_LIMITS_SECONDS: Final = 2.0  # the window of nearly every limit; no answer tells how long to wait


class _Outcome(Struct):
    code: str
    msg: str = ""


class _Answer(Struct):
    code: str
    data: list[Raw]
    msg: str = ""


_decode_outcome = msgspec.json.Decoder(_Outcome).decode
_decode = msgspec.json.Decoder(_Answer).decode


def failure_of(status: int, body: bytes) -> FeedError | None:
    """The failure that an answer tells by its code; None where only the status tells one."""
    if status in HTTP_REFUSED:
        return None
    try:
        outcome = _decode_outcome(body)
    except UNDECODABLE:
        return None
    if outcome.code == "0":
        return None
    text = f"code {outcome.code}, {outcome.msg!r}"
    return Throttled(text, _LIMITS_SECONDS) if outcome.code in _TOO_MANY else NetworkFault(text)


def rows_of(body: bytes) -> list[Raw]:
    """The entries of a good answer. Raises NetworkFault for any other."""
    try:
        answer = _decode(body)
    except UNDECODABLE as error:
        raise NetworkFault(f"not an answer of OKX: {error}") from error
    if answer.code != "0":
        raise NetworkFault(f"code {answer.code}, {answer.msg!r}")
    return answer.data
