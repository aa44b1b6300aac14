"""What an exchange brings to the collector besides its protocols."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mprism.feeds.errors import FeedError
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.protocol import Continuity, PollProtocol, Request, StreamProtocol
from mprism.feeds.weight import Limit
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

MakeProtocol = Callable[[Continuity, dict[str, StreamState]], StreamProtocol]
MakePollProtocol = Callable[[Continuity, dict[str, StreamState]], PollProtocol]


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Send `frame` when nothing has come for `seconds`; nothing for as long again is the end."""

    frame: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """One WebSocket connection that a configuration needs."""

    name: str
    exchange: str
    url: str
    symbols: tuple[str, ...]
    streams: tuple[str, ...]
    inbound_per_second: float  # frames that we may send, with room for pongs
    make_protocol: MakeProtocol
    keep_alive: KeepAlive | None = None  # where the exchange does not ping by itself


@dataclass(frozen=True, slots=True)
class PollPlan:
    """One thing that a configuration needs by REST, asked for in periods."""

    name: str
    exchange: str
    url: str  # where, for operators
    symbols: tuple[str, ...]
    streams: tuple[str, ...]
    period_seconds: float
    make_protocol: MakePollProtocol


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a configuration needs of one exchange."""

    connections: list[ConnectionPlan]
    polls: list[PollPlan]


class Venue(Protocol):
    """One exchange name of the contract."""

    @property
    def name(self) -> str:
        """The exchange name."""

    @property
    def recorded_as(self) -> str:
        """The name of the exchange in recordings."""

    @property
    def limits(self) -> Mapping[str, Limit]:
        """The REST limits by pool, as assumed until the exchange has told its own."""

    @property
    def connects(self) -> Limit:
        """How many connections may be opened. Exchanges with one host share it."""

    def check(self, settings: ExchangeSettings) -> str | None:
        """Why the exchange cannot do what is configured; None when it can."""

    def rest_url(self, settings: ExchangeSettings) -> str:
        """Where REST is."""

    def failure_of(self, status: int, body: bytes) -> FeedError | None:
        """The failure that an answer tells in its body, if it tells one there."""

    def instrument_requests(self, settings: ExchangeSettings) -> Sequence[Request]:
        """The requests whose answers make up the instrument list."""

    def parse_instruments(self, bodies: Sequence[bytes]) -> InstrumentList:
        """The instrument list, of the answers in their order; of some of them in a replay.

        Raises NetworkFault for an answer that is none.
        """

    def plan(
        self,
        settings: ExchangeSettings,
        instruments: Sequence[Instrument],
        listed: Mapping[str, Instrument],
    ) -> Plan:
        """What these instruments need, within the exchange's limits. `listed` are all there are."""

    def streams_of(self, frame: str) -> list[str]:
        """The streams that a frame of a recorder's asks for, by the names that we give them.

        Raises ValueError for a frame that cannot be read.
        """

    def recorded(
        self,
        streams: Iterable[str],
        instruments: Mapping[str, Instrument],
        settings: ExchangeSettings,
        continuity: Continuity,
    ) -> StreamProtocol:
        """The protocol of a recorded connection that had subscribed to `streams`.

        Streams that are not collected are left out.
        """
