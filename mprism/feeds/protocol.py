"""The contract between an exchange's rules and the shells that do the I/O.

A protocol object holds the state of one connection and is discarded with it. It reads no
clock and does no I/O: frames and REST answers go in as calls, actions come out. Every rule
of an exchange is thereby a synchronous unit test.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from mprism.feeds.funding import FundingRates
from mprism.feeds.seen_ids import SeenIds
from mprism.schema import Event


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame, within the exchange's inbound limit; an urgent one before others."""

    frame: str
    urgent: bool = False


WEIGHT: Final = "weight"
"""The pool of an exchange's general limit."""


@dataclass(frozen=True, slots=True)
class Request:
    """A REST request. `pool` names which of the exchange's limits it counts for.

    A pool `name:key` is one of several with the limit of `name`, such as one an instrument.
    """

    path: str
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    weight: int = 1
    pool: str = WEIGHT


@dataclass(frozen=True, slots=True)
class Fetch:
    """Make this request and hand the answer to `fetched` with `key`, which names its subject.

    `attempt` counts from 0 since the last success; later attempts wait longer.
    """

    key: str
    request: Request
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """After a wait that grows with `attempt` (from 0, no wait), call `resubscribe(stream)`.

    A stream that was `refused` waits as long as a refusal demands.
    """

    stream: str
    attempt: int
    refused: bool = False


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


Action = Event | Send | Fetch | Resubscribe | Reject | Replace | Gap | BookState

_NEVER_SO_OLD_MS: Final = 7 * 86_400_000


@dataclass(slots=True)
class Continuity:
    """What a feed remembers over its connections, keyed by instrument id, and counts."""

    last_trade: dict[str, tuple[int, int]] = field(default_factory=dict)  # id, exchange time
    last_time: dict[str, int] = field(default_factory=dict)  # exchange time of a series, in ms
    messages: int = 0  # valid ones of any subscribed stream
    duplicates: int = 0
    funding: FundingRates = field(default_factory=FundingRates)
    seen: SeenIds = field(default_factory=SeenIds)

    def is_new(self, instrument_id: str, event_id: str) -> bool:
        """Whether this id comes for the first time; a repeated one counts as a duplicate."""
        if self.seen.add(instrument_id, event_id):
            return True
        self.duplicates += 1
        return False

    def is_newer(self, series: str, time: int, newest: int | None = None) -> bool:
        """Whether `time`, in ms, is after all that the series has had; then it is remembered.

        `newest` is the last time of what came with it, if it came with others.
        """
        last = self.last_time.get(series, -1)
        # When even the newest is so much older, the time of the last one was wrong.
        was_wrong = last - (time if newest is None else newest) >= _NEVER_SO_OLD_MS
        if time <= last and not was_wrong:
            return False
        self.last_time[series] = time
        return True


class StreamProtocol(Protocol):
    """One exchange's rules for one WebSocket connection."""

    @property
    def unacknowledged(self) -> Sequence[str]:
        """Streams that were asked for and not yet acknowledged."""

    def open(self) -> Iterable[Action]:
        """The connection is open: what to send."""

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
        """A whole frame arrived at `recv_ns` (Unix epoch). Raises Refused."""

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        """The answer to a request that was asked for with this key."""

    def resubscribe(self, stream: str, recv_ns: int) -> Iterable[Action]:
        """The wait of a `Resubscribe` is over: what to send, if it is needed still."""

    def republish(self, symbol: str, recv_ns: int) -> Iterable[Action]:
        """Publish a snapshot of this symbol's book now, if it is live here."""


class PollProtocol(Protocol):
    """One exchange's rules for something that is asked for by REST, again and again."""

    def begin(self, now_ns: int) -> Iterable[Fetch]:
        """A round begins: what to ask for, one after the other."""

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        """An answer. What it leads to: events that are new, rejects, further requests.

        Raises FeedError for an answer that says that the exchange refuses or fails.
        """
