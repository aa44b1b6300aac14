"""What differs between Binance's markets: places, limits and the rules of a book's ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mprism.feeds.binance.wire import DepthEvent
from mprism.feeds.protocol import WEIGHT
from mprism.feeds.weight import Limit

STATISTICS: Final = "statistics"
FUNDING: Final = "funding"

OrderRule = Callable[[DepthEvent, int], bool]
"""Something about an event and the last update id of the book that it is for."""


@dataclass(frozen=True, slots=True)
class Market:
    """One Binance market."""

    exchange: Literal["binance_spot", "binance_derivatives"]
    websocket_url: str
    rest_url: str
    instruments_path: str
    instruments_weight: int
    depth_path: str
    depth_weights: tuple[tuple[int, int], ...]  # (limit up to, weight), ascending
    depth_limits: tuple[int, ...] | None  # the only limits that REST accepts; None: any
    limits: Mapping[str, Limit]  # REST, by pool, until exchangeInfo has told the real ones
    window: int  # levels a side that the exchange keeps true
    trade_stream: Literal["trade", "aggTrade"]
    routes: Mapping[str, str]  # data type of a stream -> path before `/stream`
    inbound_per_second: float
    precedes: OrderRule  # the snapshot already holds this event
    joins: OrderRule  # this event is the first one after the snapshot
    follows: OrderRule  # this event is the next one of a book that has been joined

    def depth_limit(self, levels: int) -> int:
        """The smallest limit that REST accepts and that gives `levels`, else the largest."""
        if self.depth_limits is None:
            return min(levels, self.window)
        return next((n for n in self.depth_limits if n >= levels), self.depth_limits[-1])

    def depth_weight(self, limit: int) -> int:
        """What a snapshot of `limit` levels costs."""
        return next(weight for up_to, weight in self.depth_weights if limit <= up_to)


# Spot ("How to manage a local order book correctly", corrected 2025-11): ids count by one, so
# an event follows when it begins at most one after the last id.
SPOT = Market(
    exchange="binance_spot",
    websocket_url="wss://stream.binance.com:9443",
    rest_url="https://api.binance.com",
    instruments_path="/api/v3/exchangeInfo",
    instruments_weight=20,
    depth_path="/api/v3/depth",
    depth_weights=((100, 5), (500, 25), (1_000, 50), (5_000, 250)),
    depth_limits=None,
    limits={WEIGHT: Limit(6_000)},
    window=5_000,
    trade_stream="trade",
    routes={"orderbook": "", "trade": ""},
    # 5/s are allowed, and our pongs count.
    inbound_per_second=3.0,
    precedes=lambda event, last_id: event.last_id <= last_id,
    joins=lambda event, last_id: event.first_id <= last_id + 1,
    follows=lambda event, last_id: event.first_id <= last_id + 1,
)

# USD-M: update ids are the engine's and jump; only `pu` proves that nothing is missing. The
# first event either spans the snapshot's id (as documented) or follows it by `pu` (as the
# live streams do too).
USDM = Market(
    exchange="binance_derivatives",
    websocket_url="wss://fstream.binance.com",
    rest_url="https://fapi.binance.com",
    instruments_path="/fapi/v1/exchangeInfo",
    instruments_weight=1,
    depth_path="/fapi/v1/depth",
    depth_weights=((50, 2), (100, 5), (500, 10), (1_000, 20)),
    depth_limits=(5, 10, 20, 50, 100, 500, 1_000),
    # Statistics have no weight, but a limit of their own, and so have the funding intervals.
    limits={WEIGHT: Limit(2_400), STATISTICS: Limit(1_000, 300.0), FUNDING: Limit(500, 300.0)},
    window=1_000,
    trade_stream="aggTrade",
    # A stream on the wrong route is acknowledged and stays silent.
    routes={
        "orderbook": "/public",
        "trade": "/market",
        "funding_rate": "/market",
        "liquidation": "/market",
    },
    inbound_per_second=6.0,
    precedes=lambda event, last_id: event.last_id < last_id,
    joins=lambda event, last_id: (
        event.first_id <= last_id <= event.last_id or event.previous_id == last_id
    ),
    follows=lambda event, last_id: event.previous_id == last_id,
)
