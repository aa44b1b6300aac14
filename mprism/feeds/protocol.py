"""The contract between an exchange's rules and the shells that do the I/O.

A protocol object holds the state of one connection and is discarded with it. It reads no
clock and does no I/O: frames and REST answers go in as calls, actions come out. Every rule
of an exchange is thereby a synchronous unit test.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mprism.schema import Event


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame, within the exchange's inbound limit."""

    frame: str


@dataclass(frozen=True, slots=True)
class FetchSnapshot:
    """Fetch this book's snapshot by REST and hand it to `Protocol.snapshot`.

    `attempt` counts from 0 since the book was last in sequence; later attempts wait longer.
    """

    instrument_id: str
    path: str
    parameters: dict[str, str | int]
    weight: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A frame or answer that was not understood. `reason` is one of a few fixed texts."""

    reason: str
    detail: str


NOT_SUBSCRIBED = "not subscribed"
"""The reason for a frame of a stream that this connection did not ask for."""


@dataclass(frozen=True, slots=True)
class Replace:
    """The exchange will close this connection: open another one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Events of one instrument that exist and were not received, ids inclusive."""

    data_type: str
    symbol: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class BookState:
    """One book came into sequence, or left it and why."""

    symbol: str
    live: bool
    reason: str


Action = Event | Send | FetchSnapshot | Reject | Replace | Gap | BookState


@dataclass(slots=True)
class Continuity:
    """What a feed remembers over its connections, keyed by instrument id, and counts."""

    last_trade: dict[str, tuple[int, int]] = field(default_factory=dict)  # id, exchange time
    messages: int = 0  # valid ones of any subscribed stream
    duplicates: int = 0


class StreamProtocol(Protocol):
    """One exchange's rules for one WebSocket connection."""

    @property
    def unacknowledged(self) -> Sequence[str]:
        """Streams that were asked for and not yet acknowledged."""

    def open(self) -> Iterable[Action]:
        """The connection is open: what to send."""

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
        """A whole frame arrived at `recv_ns` (Unix epoch). Raises Refused."""

    def snapshot(self, instrument_id: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        """A snapshot that was asked for is here."""

    def republish(self, symbol: str, recv_ns: int) -> Iterable[Action]:
        """Publish a snapshot of this symbol's book now, if it is live here."""
