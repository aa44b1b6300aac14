"""What an exchange brings to the collector besides its protocols."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.protocol import Continuity, StreamProtocol
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

MakeProtocol = Callable[[Continuity, dict[str, StreamState]], StreamProtocol]


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


class Venue(Protocol):
    """One exchange name of the contract."""

    @property
    def name(self) -> str:
        """The exchange name."""

    @property
    def weight_per_minute(self) -> int:
        """The REST weight limit that is assumed until the exchange has told its own."""

    @property
    def instruments_request(self) -> tuple[str, int]:
        """Path and weight of the request for the instrument list."""

    def check(self, settings: ExchangeSettings) -> str | None:
        """Why the exchange cannot do what is configured; None when it can."""

    def rest_url(self, settings: ExchangeSettings) -> str:
        """Where REST is."""

    def parse_instruments(self, body: bytes) -> InstrumentList:
        """The instrument list. Raises NetworkFault for an answer that is none."""

    def plan(
        self, settings: ExchangeSettings, instruments: Sequence[Instrument]
    ) -> list[ConnectionPlan]:
        """The connections for these instruments, each within the exchange's limits."""

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
