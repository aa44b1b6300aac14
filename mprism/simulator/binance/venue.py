"""What differs between Binance's spot and USD-M markets, as data.

Sources: the exchange's documents on market streams, general REST information and the
endpoint pages, as of 2026.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mprism.simulator.binance import catalog
from mprism.simulator.binance.feed import SpotFeed, SymbolFeed, UsdmFeed
from mprism.simulator.binance.liquidations import ALL_LIQUIDATIONS
from mprism.simulator.instrument import Instrument
from mprism.simulator.rules import Rules

Market = Literal["spot", "usdm"]
Route = Literal["", "public", "market", "private"]

MILLISECOND = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """One market of the exchange.

    `channels` says which route each served channel of a symbol is delivered on, and
    `market_streams` the same of streams that are of no symbol; `routes` are the paths that
    clients may connect to, each with the route that it behaves like. `depth_weights` are
    (highest limit, weight); `depth_limits` are the only limits allowed, if any.
    """

    exchange: str
    rest_prefix: str
    trade_channel: str
    feed: type[SymbolFeed]
    catalog: tuple[Instrument, ...]
    rules: Rules
    shared_update_ids: bool
    depths: Mapping[str, int]  # channel -> interval in microseconds
    channels: Mapping[str, Route]
    market_streams: Mapping[str, Route]
    routes: Mapping[str, Route]
    contracts: bool  # with mark prices, liquidations, open interest and statistics
    microseconds: bool  # clients may ask for them
    nested_errors: bool
    depth_weights: tuple[tuple[int, int], ...]
    depth_limits: frozenset[int]
    default_depth: int
    exchange_info_weight: int

    def streams(self, symbols: Iterable[str]) -> dict[str, Route]:
        """The names of all streams that exist when these symbols have a market."""
        of_symbols = {
            f"{symbol.lower()}@{channel}": route
            for symbol in symbols
            for channel, route in self.channels.items()
        }
        return {**of_symbols, **self.market_streams}


SPOT = Venue(
    exchange="binance_spot",
    rest_prefix="/api/v3/",
    trade_channel="trade",
    feed=SpotFeed,
    catalog=catalog.SPOT,
    rules=Rules(ping_interval=20.0, pong_timeout=60.0, inbound_per_second=5, weight_limit=6_000),
    shared_update_ids=False,
    depths={"depth@100ms": 100 * MILLISECOND, "depth": 1_000 * MILLISECOND},
    channels={"trade": "", "aggTrade": "", "depth@100ms": "", "depth": ""},
    market_streams={},
    routes={"": ""},
    contracts=False,
    microseconds=True,
    nested_errors=False,
    depth_weights=((100, 5), (500, 25), (1_000, 50), (5_000, 250)),
    depth_limits=frozenset(),
    default_depth=100,
    exchange_info_weight=20,
)

USDM = Venue(
    exchange="binance_derivatives",
    rest_prefix="/fapi/v1/",
    trade_channel="aggTrade",
    feed=UsdmFeed,
    catalog=catalog.USDM,
    rules=Rules(ping_interval=180.0, pong_timeout=600.0, inbound_per_second=10, weight_limit=2_400),
    shared_update_ids=True,
    depths={
        "depth@100ms": 100 * MILLISECOND,
        "depth": 250 * MILLISECOND,
        "depth@500ms": 500 * MILLISECOND,
    },
    channels={
        "trade": "public",
        "aggTrade": "market",
        "depth@100ms": "public",
        "depth": "public",
        "depth@500ms": "public",
        "markPrice": "market",
        "markPrice@1s": "market",
        "forceOrder": "market",
    },
    market_streams={ALL_LIQUIDATIONS: "market"},
    # A connection without a route gets what the public one gets.
    routes={"": "public", "public": "public", "market": "market", "private": "private"},
    contracts=True,
    microseconds=False,
    nested_errors=True,
    depth_weights=((50, 2), (100, 5), (500, 10), (1_000, 20)),
    depth_limits=frozenset((5, 10, 20, 50, 100, 500, 1_000)),
    default_depth=500,
    exchange_info_weight=1,
)

VENUES: Mapping[Market, Venue] = {"spot": SPOT, "usdm": USDM}
