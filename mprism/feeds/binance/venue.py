"""Binance's markets as venues: which connections a configuration needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mprism.feeds.binance.connection import BinanceConnection
from mprism.feeds.binance.funding import FUNDING_INFO, Contracts
from mprism.feeds.binance.instruments import parse_instruments
from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.binance.polls import Polls
from mprism.feeds.binance.requests import streams_of_request
from mprism.feeds.binance.streams import Subscription, recorded_subscriptions, subscriptions
from mprism.feeds.errors import FeedError
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.protocol import Continuity, Request, StreamProtocol
from mprism.feeds.venue import ConnectionPlan, Plan
from mprism.feeds.weight import Limit
from mprism.settings import ExchangeSettings
from mprism.state import StreamState


@dataclass(frozen=True, slots=True)
class BinanceVenue:
    """One market of Binance. See `mprism.feeds.venue.Venue`."""

    market: Market

    @property
    def name(self) -> str:
        return self.market.exchange

    @property
    def recorded_as(self) -> str:
        return self.market.exchange

    @property
    def limits(self) -> Mapping[str, Limit]:
        return self.market.limits

    @property
    def connects(self) -> Limit:
        return Limit(300, 300.0)

    def check(self, settings: ExchangeSettings) -> str | None:
        depth, window = settings.orderbook.depth, self.market.window
        fetched = self.market.depth_limit(settings.orderbook.rest_levels)
        if depth > fetched:
            return (
                f"orderbook.depth: {depth} levels cannot be kept with snapshots of {fetched}; "
                f"allowed: at most orderbook.rest_levels, and {window} on {self.name}"
            )
        return None

    def rest_url(self, settings: ExchangeSettings) -> str:
        return settings.rest_url or self.market.rest_url

    def failure_of(self, status: int, body: bytes) -> FeedError | None:
        return None  # the status says it all

    def instrument_requests(self, settings: ExchangeSettings) -> Sequence[Request]:
        listed = Request(self.market.instruments_path, weight=self.market.instruments_weight)
        return (listed, FUNDING_INFO) if "funding_rate" in settings.data_types else (listed,)

    def parse_instruments(self, bodies: Sequence[bytes]) -> InstrumentList:
        return parse_instruments(self.market, *bodies[:2])

    def plan(
        self,
        settings: ExchangeSettings,
        instruments: Sequence[Instrument],
        listed: Mapping[str, Instrument],
    ) -> Plan:
        contracts = _contracts(settings, instruments, listed)
        polls = Polls(
            self.name, self.rest_url(settings), settings, instruments, contracts.funding_hours
        )
        return Plan(self._connections(settings, instruments, contracts), list(polls.planned()))

    def _connections(
        self, settings: ExchangeSettings, instruments: Sequence[Instrument], contracts: Contracts
    ) -> list[ConnectionPlan]:
        by_route: dict[str, list[str]] = {}
        for data_type in dict.fromkeys(settings.data_types):
            if data_type in self.market.routes:
                by_route.setdefault(self.market.routes[data_type], []).append(data_type)
        return [
            self._connection(settings, route, number, part, contracts)
            for route, data_types in by_route.items()
            for number, part in enumerate(
                _parts(
                    subscriptions(self.market, instruments, data_types, settings.liquidations),
                    settings.streams_per_connection,
                ),
                1,
            )
        ]

    def _connection(
        self,
        settings: ExchangeSettings,
        route: str,
        number: int,
        streams: list[Subscription],
        contracts: Contracts,
    ) -> ConnectionPlan:
        base = (settings.websocket_url or self.market.websocket_url).rstrip("/")

        def make_protocol(
            continuity: Continuity, states: dict[str, StreamState]
        ) -> BinanceConnection:
            return BinanceConnection(
                self.market, streams, settings.orderbook, continuity, states, contracts
            )

        symbols = [stream.instrument.symbol for stream in streams if stream.instrument is not None]
        return ConnectionPlan(
            name=f"{self.name}{route or '/stream'}-{number}",
            exchange=self.name,
            url=f"{base}{route}/stream",
            symbols=tuple(dict.fromkeys(symbols)),
            streams=tuple(stream.stream for stream in streams),
            inbound_per_second=self.market.inbound_per_second,
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
        listed = tuple(instruments.values())
        chosen = recorded_subscriptions(self.market, listed, streams)
        contracts = _contracts(settings, listed, instruments)
        return BinanceConnection(self.market, chosen, settings.orderbook, continuity, {}, contracts)


def _contracts(
    settings: ExchangeSettings, instruments: Iterable[Instrument], listed: Mapping[str, Instrument]
) -> Contracts:
    hours = {each.instrument_id: each.funding_interval_hours for each in instruments}
    return Contracts(listed, hours, settings.funding_repeat_seconds)


def _parts(streams: list[Subscription], size: int) -> list[list[Subscription]]:
    return [streams[start : start + size] for start in range(0, len(streams), size)]


BINANCE_SPOT = BinanceVenue(SPOT)
BINANCE_DERIVATIVES = BinanceVenue(USDM)
