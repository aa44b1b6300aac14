"""Deribit's futures and volatility indexes as a venue: what a configuration needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mprism.feeds.deribit.calls import channels_of
from mprism.feeds.deribit.channels import (
    EXCHANGE,
    Subscription,
    is_currency,
    recorded_subscriptions,
    subscriptions,
)
from mprism.feeds.deribit.connection import DeribitConnection
from mprism.feeds.deribit.failures import failure_in
from mprism.feeds.deribit.instruments import parse_instruments
from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.deribit.polls import PATH, LiquidationPoll
from mprism.feeds.errors import FeedError
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.protocol import WEIGHT, Continuity, Request, StreamProtocol
from mprism.feeds.venue import ConnectionPlan, Plan, PollPlan
from mprism.feeds.weight import Limit
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

_WEBSOCKET_URL: Final = "wss://www.deribit.com"
_WEBSOCKET_PATH: Final = "/ws/api/v2"
_REST_URL: Final = "https://www.deribit.com"
_INSTRUMENTS: Final = "instruments"
_INSTRUMENTS_CREDITS: Final = 10_000
# A subscription costs more credits than anything else: 3.3 a second are refilled.
_INBOUND_PER_SECOND: Final = 3.0


@dataclass(frozen=True, slots=True)
class DeribitVenue:
    """Deribit. See `mprism.feeds.venue.Venue`."""

    name: str = EXCHANGE
    recorded_as: str = "deribit"

    @property
    def limits(self) -> Mapping[str, Limit]:
        """Credits that are refilled in a second; what was saved up beyond them is not used."""
        return {WEIGHT: Limit(10_000, 1.0), _INSTRUMENTS: Limit(_INSTRUMENTS_CREDITS, 1.0)}

    @property
    def connects(self) -> Limit:
        """The exchange limits how many are open at a time; fewer a minute can be no more."""
        return Limit(32, 60.0)

    def check(self, settings: ExchangeSettings) -> str | None:
        for currency in settings.volatility_indexes:
            if not is_currency(currency):
                return (
                    f"volatility_indexes: {currency!r} is no currency; allowed: letters alone, "
                    f"such as BTC and ETH, on {self.name}"
                )
        return None

    def rest_url(self, settings: ExchangeSettings) -> str:
        return settings.rest_url or _REST_URL

    def failure_of(self, status: int, body: bytes) -> FeedError | None:
        return failure_in(body)

    def instrument_requests(self, settings: ExchangeSettings) -> Sequence[Request]:
        parameters = {"currency": "any", "kind": "future", "expired": "false"}
        path = "/api/v2/public/get_instruments"
        return (Request(path, parameters, _INSTRUMENTS_CREDITS, _INSTRUMENTS),)

    def parse_instruments(self, bodies: Sequence[bytes]) -> InstrumentList:
        return parse_instruments(bodies)

    def plan(
        self,
        settings: ExchangeSettings,
        instruments: Sequence[Instrument],
        listed: Mapping[str, Instrument],
    ) -> Plan:
        published = PublishedLiquidations()
        wanted, size = subscriptions(settings, instruments), settings.streams_per_connection
        connections = [
            self._connection(settings, start // size + 1, wanted[start : start + size], published)
            for start in range(0, len(wanted), size)
        ]
        polls = []
        if "liquidation" in settings.data_types:
            polls.append(self._poll(settings, instruments, published))
        return Plan(connections, polls)

    def _connection(
        self,
        settings: ExchangeSettings,
        number: int,
        wanted: list[Subscription],
        published: PublishedLiquidations,
    ) -> ConnectionPlan:
        def make_protocol(
            continuity: Continuity, states: dict[str, StreamState]
        ) -> DeribitConnection:
            return DeribitConnection(wanted, settings, published, continuity, states)

        return ConnectionPlan(
            name=f"{self.name}/public-{number}",
            exchange=self.name,
            url=(settings.websocket_url or _WEBSOCKET_URL).rstrip("/") + _WEBSOCKET_PATH,
            symbols=tuple(dict.fromkeys(each.instrument.symbol for each in wanted)),
            streams=tuple(each.channel for each in wanted),
            inbound_per_second=_INBOUND_PER_SECOND,
            make_protocol=make_protocol,
        )

    def _poll(
        self,
        settings: ExchangeSettings,
        instruments: Sequence[Instrument],
        published: PublishedLiquidations,
    ) -> PollPlan:
        period = settings.polling.liquidation_seconds

        def make_protocol(
            continuity: Continuity, states: dict[str, StreamState]
        ) -> LiquidationPoll:
            return LiquidationPoll(instruments, published, period, continuity, states)

        return PollPlan(
            name=f"{self.name}/liquidation",
            exchange=self.name,
            url=self.rest_url(settings).rstrip("/") + PATH,
            symbols=tuple(each.symbol for each in instruments),
            streams=tuple(each.instrument_id for each in instruments),
            period_seconds=period,
            make_protocol=make_protocol,
        )

    def streams_of(self, frame: str) -> list[str]:
        return channels_of(frame)

    def recorded(
        self,
        streams: Iterable[str],
        instruments: Mapping[str, Instrument],
        settings: ExchangeSettings,
        continuity: Continuity,
    ) -> StreamProtocol:
        wanted = recorded_subscriptions(streams, instruments)
        return DeribitConnection(wanted, settings, PublishedLiquidations(), continuity, {})


DERIBIT = DeribitVenue()
