"""The streams of a connection: their names, and what comes on each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from mprism.feeds.binance.market import Market
from mprism.feeds.binance.wire import (
    AggregateTradeEvent,
    DepthEvent,
    ForceOrderEvent,
    MarkPriceEvent,
    TradeEvent,
)
from mprism.feeds.instrument import Instrument

StreamEvent = TradeEvent | AggregateTradeEvent | DepthEvent | MarkPriceEvent | ForceOrderEvent

ALL_LIQUIDATIONS: Final = "!forceOrder@arr"
"""The liquidations of all symbols, one at a time, despite the name."""

# What comes on a stream, by the part of its name after the symbol. Trades and aggregates must
# not mix: their ids count apart.
_EVENTS: Final[dict[str, type[StreamEvent]]] = {
    "trade": TradeEvent,
    "aggTrade": AggregateTradeEvent,
    "depth@100ms": DepthEvent,
    "depth": DepthEvent,
    "markPrice@1s": MarkPriceEvent,
    "markPrice": MarkPriceEvent,
    "forceOrder": ForceOrderEvent,
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """One stream: `<symbol>@trade` and the like, or one of the whole market."""

    stream: str
    instrument: Instrument | None  # None: of all instruments

    @property
    def event(self) -> type[StreamEvent]:
        """What comes on it."""
        if self.stream == ALL_LIQUIDATIONS:
            return ForceOrderEvent
        return _EVENTS[self.stream.partition("@")[2]]


def subscriptions(
    market: Market,
    instruments: Iterable[Instrument],
    data_types: Iterable[str],
    liquidations: Literal["symbols", "all"] = "symbols",
) -> list[Subscription]:
    """The streams of `data_types`: of the whole market, then in the order of the instruments.

    Contracts without funding have no stream of it.
    """
    kinds = list(data_types)
    chosen = []
    if "liquidation" in kinds and liquidations == "all":
        kinds.remove("liquidation")
        chosen.append(Subscription(ALL_LIQUIDATIONS, None))
    suffixes = {
        "trade": market.trade_stream,
        "orderbook": "depth@100ms",
        "funding_rate": "markPrice@1s",
        "liquidation": "forceOrder",
    }
    return chosen + [
        Subscription(f"{instrument.instrument_id.lower()}@{suffixes[kind]}", instrument)
        for instrument in instruments
        for kind in kinds
        if kind != "funding_rate" or instrument.has_funding
    ]


def recorded_subscriptions(
    market: Market, instruments: Iterable[Instrument], names: Iterable[str]
) -> list[Subscription]:
    """Those of the streams `names` that are collected.

    One of a kind per instrument, the best first: a second one tells the same again, and trades
    do so in ids of their own.
    """
    trades = sorted(("trade", "aggTrade"), key=lambda kind: kind != market.trade_stream)
    there = set(names)
    chosen = []
    if ALL_LIQUIDATIONS in there:
        chosen.append(Subscription(ALL_LIQUIDATIONS, None))
    for instrument in instruments:
        symbol = instrument.instrument_id.lower()
        for kinds in (
            ("depth@100ms", "depth"),
            trades,
            ("markPrice@1s", "markPrice"),
            ("forceOrder",),
        ):
            found = [name for kind in kinds if (name := f"{symbol}@{kind}") in there]
            chosen += [Subscription(name, instrument) for name in found[:1]]
    return chosen
