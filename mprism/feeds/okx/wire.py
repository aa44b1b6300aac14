"""What every frame of OKX has in common: argument, data, events (OKX v5, "WebSocket").

Fields that are not used are not declared: OKX adds new ones at any time. Nearly every value is
a string and is empty where it does not apply.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw, Struct

from mprism.feeds.decimals import MalformedNumber
from mprism.feeds.decoding import NS_PER_MS

_MOST_MS: Final = (2**63 - 1) // NS_PER_MS
_DIGITS: Final = 13


class Argument(Struct, rename="camel"):
    """Which channel a frame belongs to, and what of it: an instrument, or a type of them."""

    channel: str
    inst_id: str = ""
    inst_type: str = ""

    @property
    def stream(self) -> str:
        """Our name of it."""
        return f"{self.channel}:{self.inst_id or self.inst_type}"


class Frame(Struct):
    """Any text frame: a push has `data`, answers and notices have `event`.

    Entries of `data` stay raw: a bad one must not cost the others.
    """

    arg: Argument | None = None
    action: str | None = None
    data: list[Raw] | None = None
    event: str | None = None
    id: str | int | None = None
    code: str | int | None = None
    msg: str = ""


@dataclass(frozen=True, slots=True)
class Push:
    """What all entries of one push share."""

    action: str | None
    recv_ns: int


class Unreadable(ValueError):
    """An entry of a push cannot be used. `reason` is one of a few fixed texts."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


decode_frame = msgspec.json.Decoder(Frame).decode


def milliseconds(text: str | None) -> int | None:
    """A time as OKX writes it; None where there is none. Raises MalformedNumber."""
    if not text or text == "0":
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS or int(text) > _MOST_MS:
        raise MalformedNumber(f"not a time: {text[:50]!r}")
    return int(text)
