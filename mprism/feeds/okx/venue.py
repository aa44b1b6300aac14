"""OKX's markets as venues: which connections and polls a configuration needs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mprism.feeds.errors import FeedError
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.okx import channels
from mprism.feeds.okx.answers import failure_of
from mprism.feeds.okx.books import WINDOW
from mprism.feeds.okx.channels import Path, Subscription, subscriptions
from mprism.feeds.okx.connection import OkxConnection
from mprism.feeds.okx.instruments import parse_instruments
from mprism.feeds.okx.ratios import PATHS, RATIO, Ratios, RatioType
from mprism.feeds.okx.requests import streams_of_request
from mprism.feeds.protocol import WEIGHT, Continuity, Request, StreamProtocol
from mprism.feeds.venue import ConnectionPlan, KeepAlive, Plan, PollPlan
from mprism.feeds.weight import Limit
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

_REST_URL: Final = "https://www.okx.com"
_WEBSOCKET_URL: Final = "wss://ws.okx.com:8443"
_INSTRUMENTS: Final = "/api/v5/public/instruments"
# Limits are those of the endpoints; the general one only bounds what has none of its own.
_LIMITS: Final[Mapping[str, Limit]] = {
    WEIGHT: Limit(20, 2.0),
    "instruments": Limit(20, 2.0),
    "books": Limit(40, 2.0),
    RATIO: Limit(5, 2.0),
}
_MOST_BOOKS: Final = 25  # fewer than 30 on one connection are advised
_KEEP_ALIVE: Final = KeepAlive("ping", 20.0)  # 30 s of silence close a connection
_INBOUND_PER_SECOND: Final = 3.0


@dataclass(frozen=True, slots=True)
class OkxVenue:
    """One group of OKX's instrument types. See `mprism.feeds.venue.Venue`."""

    exchange: Literal["okx_spot", "okx_derivatives"]
    types: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.exchange

    @property
    def recorded_as(self) -> str:
        return "okx"

    @property
    def limits(self) -> Mapping[str, Limit]:
        return _LIMITS

    @property
    def connects(self) -> Limit:
        return Limit(3, 1.0)

    def check(self, settings: ExchangeSettings) -> str | None:
        depth = settings.orderbook.depth
        if depth > WINDOW:
            return f"orderbook.depth: {depth} levels; allowed: at most {WINDOW} on {self.name}"
        return None

    def rest_url(self, settings: ExchangeSettings) -> str:
        return settings.rest_url or _REST_URL

    def failure_of(self, status: int, body: bytes) -> FeedError | None:
        return failure_of(status, body)

    def instrument_requests(self, settings: ExchangeSettings) -> Sequence[Request]:
        return [
            Request(_INSTRUMENTS, {"instType": name}, pool=f"instruments:{name}")
            for name in self.types
        ]

    def parse_instruments(self, bodies: Sequence[bytes]) -> InstrumentList:
        return parse_instruments(self.exchange, self.types, bodies)

    def plan(
        self,
        settings: ExchangeSettings,
        instruments: Sequence[Instrument],
        listed: Mapping[str, Instrument],
    ) -> Plan:
        streams = subscriptions(settings, instruments, listed)
        by_path: dict[Path, list[Subscription]] = {}
        for stream in streams:
            by_path.setdefault(stream.path, []).append(stream)
        connections = [
            self._connection(settings, path, number, part, instruments)
            for path, group in by_path.items()
            for number, part in enumerate(_parts(group, settings.streams_per_connection), 1)
        ]
        polls = [
            self._poll(settings, data_type, instruments)
            for data_type in PATHS
            if data_type in settings.data_types
        ]
        return Plan(connections, polls)

    def _connection(
        self,
        settings: ExchangeSettings,
        path: Path,
        number: int,
        streams: list[Subscription],
        instruments: Sequence[Instrument],
    ) -> ConnectionPlan:
        base = (settings.websocket_url or _WEBSOCKET_URL).rstrip("/")

        def make_protocol(continuity: Continuity, states: dict[str, StreamState]) -> OkxConnection:
            return OkxConnection(streams, settings, continuity, states)

        return ConnectionPlan(
            name=f"{self.name}/{path}-{number}",
            exchange=self.name,
            url=f"{base}/ws/v5/{path}",
            symbols=_symbols(
                each
                for each in instruments
                if any(each.instrument_id in stream.instruments for stream in streams)
            ),
            streams=tuple(stream.stream for stream in streams),
            inbound_per_second=_INBOUND_PER_SECOND,
            make_protocol=make_protocol,
            keep_alive=_KEEP_ALIVE,
        )

    def _poll(
        self,
        settings: ExchangeSettings,
        data_type: RatioType,
        instruments: Sequence[Instrument],
    ) -> PollPlan:
        def make_protocol(continuity: Continuity, states: dict[str, StreamState]) -> Ratios:
            return Ratios(data_type, instruments, settings, continuity, states)

        return PollPlan(
            name=f"{self.name}/{data_type}",
            exchange=self.name,
            url=self.rest_url(settings).rstrip("/") + PATHS[data_type],
            symbols=_symbols(instruments),
            streams=tuple(instrument.instrument_id for instrument in instruments),
            period_seconds=settings.polling.ratio_seconds,
            make_protocol=make_protocol,
        )

    def streams_of(self, frame: str) -> list[str]:
        return streams_of_request(frame)

    def recorded(
        self,
        streams: Iterable[str],
        instruments: Mapping[str, Instrument],
        settings: ExchangeSettings,
        continuity: Continuity,
    ) -> StreamProtocol:
        chosen = _recorded(frozenset(streams), instruments, settings)
        return OkxConnection(chosen, settings, continuity, {})


def _recorded(
    there: frozenset[str], instruments: Mapping[str, Instrument], settings: ExchangeSettings
) -> list[Subscription]:
    # One channel of trades per instrument: a second one tells the same again.
    trades = [channels.ALL_TRADES, channels.TRADES]
    if settings.trades == "aggregated":
        trades.reverse()
    alternatives = ([channels.BOOKS], trades, [channels.FUNDING], [channels.OPEN_INTEREST])
    chosen = []
    for name, instrument in instruments.items():
        for kinds in alternatives:
            found = [kind for kind in kinds if f"{kind}:{name}" in there]
            chosen += [Subscription(kind, name, {name: instrument}) for kind in found[:1]]
    for name in ("SWAP", "FUTURES"):
        group = {k: v for k, v in instruments.items() if channels.instrument_type(v) == name}
        if group and f"{channels.LIQUIDATIONS}:{name}" in there:
            chosen.append(Subscription(channels.LIQUIDATIONS, name, group))
    return chosen


def _symbols(instruments: Iterable[Instrument]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(instrument.symbol for instrument in instruments))


def _parts(streams: Iterable[Subscription], size: int) -> Iterator[list[Subscription]]:
    """Streams in parts that one connection may have."""
    part: list[Subscription] = []
    books = 0
    for stream in streams:
        is_book = stream.channel == channels.BOOKS
        if len(part) == size or (is_book and books == _MOST_BOOKS):
            yield part
            part, books = [], 0
        part.append(stream)
        books += is_book
    if part:
        yield part


OKX_SPOT = OkxVenue("okx_spot", ("SPOT",))
OKX_DERIVATIVES = OkxVenue("okx_derivatives", ("SWAP", "FUTURES"))
