"""What Binance publishes of one symbol's market: trades, aggregates and depth events.

Spot publishes trades and aggregates in real time. USD-M gathers the fills at one price on
one side for 100 ms before it publishes an aggregate. Depth events come at fixed intervals,
only if something changed, and each says where the one before it on its stream ended.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from random import Random

from mprism.simulator.binance import payloads
from mprism.simulator.binance.liquidations import Liquidations
from mprism.simulator.binance.payloads import DepthChange
from mprism.simulator.market import SymbolMarket, TakerOrder
from mprism.simulator.tape import NON_MARKET_FILLS, Tape
from mprism.simulator.truth import SymbolTruth
from mprism.simulator.wire import Publication

EncodeTrade = Callable[[Tape, int, int, int], bytes]

MAIN_DEPTH = "depth@100ms"
AGGREGATE_US = 100_000
NON_MARKET_SHARE = 0.01  # of USD-M orders: a fill of the insurance fund or of ADL follows


class DepthStream:
    """One depth stream of a symbol: its interval and where its last event ended."""

    def __init__(self, name: str, interval_us: int, market: SymbolMarket) -> None:
        self.name = name
        self.interval_us = interval_us
        self._market = market
        self._published = 0
        self._last_id = market.opening.update_id

    @property
    def changed(self) -> bool:
        """Whether the next event has something to say."""
        return len(self._market.log) > self._published

    def take(self, changed_us: int) -> DepthChange:
        """The changes since the last event; they count as published."""
        log = self._market.log
        change = DepthChange(
            self._market.instrument, log, self._published, len(log), self._last_id, changed_us
        )
        self._published = len(log)
        self._last_id = log.ids[-1]
        return change


class SymbolFeed(ABC):
    """Base of both markets' feeds. `order` makes something happen, `due` says what to send.

    `offset_us` shifts the symbol's intervals, so that not all symbols publish at once.
    """

    def __init__(
        self, market: SymbolMarket, random: Random, depths: Mapping[str, int], offset_us: int
    ) -> None:
        instrument = market.instrument
        self.market = market
        self.trades = Tape(instrument, "trade", random.randrange(10**7, 10**8))
        self.aggregates = Tape(instrument, "aggTrade", random.randrange(10**6, 10**7))
        self._random = random
        self._stream = f"{instrument.symbol.lower()}@"
        self._offset_us = offset_us
        self._changed_us = 0
        self._ready: list[Publication] = []
        self._depths = [
            DepthStream(self._stream + channel, interval_us, market)
            for channel, interval_us in depths.items()
        ]
        self.updates: list[int] = []  # of the main depth stream, written whole
        self._main_depth = next(d for d in self._depths if d.name.endswith(MAIN_DEPTH))

    def truth(self) -> SymbolTruth:
        """The records that this feed goes on writing."""
        tapes = {tape.stream: tape for tape in (self.trades, self.aggregates)}
        return SymbolTruth(self.market.opening, self.market.log, tapes, self.updates)

    def order(self, now_us: int) -> int:
        """One taker order; returns how many more messages of the main streams it causes."""
        was_unchanged = not self._main_depth.changed
        order = self.market.order()
        self._changed_us = now_us
        return self._record(order, now_us) + was_unchanged

    def due(self, now_us: int) -> list[Publication]:
        """What is to be sent at this time, in order."""
        ready, self._ready = self._ready, []
        for stream in self._depths:
            if stream.changed and self._ends(stream.interval_us, now_us):
                change = stream.take(self._changed_us)
                updates = self.updates if stream is self._main_depth else None
                encode = self._encode_depth(change, now_us)
                ready.append(
                    Publication(stream.name, encode, updates=updates, update_id=change.ids()[1])
                )
        return ready

    def _ends(self, interval_us: int, now_us: int) -> bool:
        return (now_us - self._offset_us) % interval_us == 0

    def _publish(self, encode: EncodeTrade, tape: Tape, index: int, now_us: int) -> None:
        name = self._stream + tape.stream
        self._ready.append(Publication(name, partial(encode, tape, index, now_us), [(tape, index)]))

    @abstractmethod
    def _encode_depth(self, change: DepthChange, now_us: int) -> Callable[[int], bytes]: ...

    @abstractmethod
    def _record(self, order: TakerOrder, now_us: int) -> int:
        """Note the fills; returns how many messages of the main trade stream they cause."""


class SpotFeed(SymbolFeed):
    """Spot: every trade at once, and one aggregate for each order and price."""

    def _encode_depth(self, change: DepthChange, now_us: int) -> Callable[[int], bytes]:
        return partial(payloads.spot_depth, change, now_us)

    def _record(self, order: TakerOrder, now_us: int) -> int:
        for price, fills in groupby(order.fills, attrgetter("price")):
            first = self.trades.next_id
            lots = 0
            for fill in fills:
                lots += fill.lots
                index = self.trades.append(price, fill.lots, order.buyer_is_maker, now_us)
                self._publish(payloads.spot_trade, self.trades, index, now_us)
            covers = (first, self.trades.next_id - 1)
            index = self.aggregates.append(price, lots, order.buyer_is_maker, now_us, covers=covers)
            self._publish(payloads.spot_aggregate, self.aggregates, index, now_us)
        return len(order.fills)


class UsdmFeed(SymbolFeed):
    """USD-M: every fill at once, and aggregates of successive fills at one price every 100 ms.

    Fills that are no trades of the book take trade ids too, but are in no aggregate. Some
    orders are liquidations.
    """

    def __init__(
        self, market: SymbolMarket, random: Random, depths: Mapping[str, int], offset_us: int
    ) -> None:
        super().__init__(market, random, depths, offset_us)
        self.liquidations = Liquidations(market.instrument, Random(random.random()))
        self._gathered: list[_Gathered] = []

    def due(self, now_us: int) -> list[Publication]:
        """What is to be sent at this time, in order."""
        if self._ends(AGGREGATE_US, now_us):
            for fills in self._gathered:
                self._publish_gathered(fills, now_us)
            self._gathered.clear()
        return super().due(now_us)

    def _encode_depth(self, change: DepthChange, now_us: int) -> Callable[[int], bytes]:
        return partial(payloads.usdm_depth, change, now_us)

    def _record(self, order: TakerOrder, now_us: int) -> int:
        before = len(self._gathered)
        self.liquidations.note(order, now_us)
        maker = order.buyer_is_maker
        for fill in order.fills:
            index = self.trades.append(fill.price, fill.lots, maker, now_us)
            self._publish(payloads.usdm_trade, self.trades, index, now_us)
            newest = self._gathered[-1] if self._gathered else None
            trade_id = self.trades.first_id + index
            if newest and newest.price == fill.price and newest.buyer_is_maker == maker:
                newest.add(fill.lots, trade_id, now_us)
            else:
                self._gathered.append(
                    _Gathered(fill.price, maker, fill.lots, trade_id, trade_id, now_us)
                )
        if self._random.random() < NON_MARKET_SHARE:
            self._add_non_market_fill(order, now_us)
        return len(self._gathered) - before

    def _add_non_market_fill(self, order: TakerOrder, now_us: int) -> None:
        execution = self._random.choice(NON_MARKET_FILLS)
        price, lots = order.fills[-1]
        index = self.trades.append(price, lots, order.buyer_is_maker, now_us, execution=execution)
        self._publish(payloads.usdm_trade, self.trades, index, now_us)

    def _publish_gathered(self, fills: "_Gathered", now_us: int) -> None:
        index = self.aggregates.append(
            fills.price,
            fills.lots,
            fills.buyer_is_maker,
            fills.time_us,
            covers=(fills.first_id, fills.last_id),
        )
        self._publish(payloads.usdm_aggregate, self.aggregates, index, now_us)


@dataclass(slots=True)
class _Gathered:
    """Successive fills at one price on one side."""

    price: int
    buyer_is_maker: bool
    lots: int
    first_id: int
    last_id: int
    time_us: int

    def add(self, lots: int, trade_id: int, time_us: int) -> None:
        self.lots += lots
        self.last_id = trade_id
        self.time_us = time_us
