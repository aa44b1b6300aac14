"""A seeded market for one instrument: taker orders that eat levels, quotes that renew them.

Pure and deterministic: the same random source and the same calls give the same book, the
same changes and the same fills. The book is never crossed and never empty. The price walks
at random and is pulled back to where it opened, so that levels near the touch and far from
it change, appear and vanish for ever.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from mprism.simulator.book import Book, ChangeLog, Side
from mprism.simulator.instrument import Instrument

FEWEST_LEVELS = 20  # a side is never eaten below this
PULL_TICKS = 600  # the further away from the opening price, the likelier the way back
UNKNOWN_REMOVALS = 0.02  # of orders: a level that never existed is removed


class Fill(NamedTuple):
    """What a taker got from one resting order: price in ticks, quantity in lots."""

    price: int
    lots: int


class TakerOrder(NamedTuple):
    """One order that took liquidity, with its fills in the order in which they happened."""

    buyer_is_maker: bool
    fills: list[Fill]


class SymbolMarket:
    """The market of one instrument. `next_update_id` gives each change its id."""

    def __init__(
        self,
        instrument: Instrument,
        random: Random,
        next_update_id: Callable[[], int],
        levels: int = 1500,
    ) -> None:
        self.instrument = instrument
        self.book = Book(instrument, next_update_id())
        self.log = ChangeLog()
        self._random = random
        self._next_update_id = next_update_id
        self._levels = levels
        self._fill_side(self.book.bids, -instrument.opening)
        self._fill_side(self.book.asks, instrument.opening + 1)
        self.opening = self.book.copy()

    def _fill_side(self, side: Side, best: int) -> None:
        side.put(best, self._quantity())
        while (key := self._next_outwards(side)) is not None:
            side.put(key, self._quantity())

    def order(self) -> TakerOrder:
        """One taker order and the quotes that follow it."""
        buying = self._random.random() < 0.5 - self._pull()
        side = self.book.asks if buying else self.book.bids
        fills: list[Fill] = []
        swept = self._swept_levels()
        for _ in range(swept):
            if len(side.order) > FEWEST_LEVELS:
                self._take(side, side.lots[side.order[0]], fills)
        best = side.lots[side.order[0]]
        if best > 1:
            self._take(side, self._random.randrange(1, best), fills)
        elif not fills:
            self._take(side, best, fills)
        self._requote(self._random.randrange(1, 3 + swept))
        return TakerOrder(not buying, fills)

    def _pull(self) -> float:
        mid = (self.book.asks.order[0] - self.book.bids.order[0]) / 2
        return max(-0.3, min(0.3, (mid - self.instrument.opening) / PULL_TICKS))

    def _swept_levels(self) -> int:
        draw = self._random.random()
        if draw < 0.65:
            return 0
        return 1 if draw < 0.9 else self._random.randrange(2, 7)

    def _take(self, side: Side, lots: int, fills: list[Fill]) -> None:
        key = side.order[0]
        self._change(key, side.lots[key] - lots)
        first = self._random.randrange(1, lots) if lots > 1 and self._random.random() < 0.3 else 0
        # Two resting orders at the level, now and then.
        if first:
            fills.append(Fill(abs(key), first))
        fills.append(Fill(abs(key), lots - first))

    def _requote(self, count: int) -> None:
        for _ in range(count):
            side = self.book.bids if self._random.random() < 0.5 else self.book.asks
            room = self.book.asks.order[0] + self.book.bids.order[0] - 1
            if room > 0 and self._random.random() < 0.9:
                better = side.order[0] - self._random.randrange(1, room + 1)
                self._change(better, self._quantity())
            else:
                self._touch_level(side)
        for side in (self.book.bids, self.book.asks):
            self._keep_depth(side)
        if self._random.random() < UNKNOWN_REMOVALS:
            self._remove_unknown()

    def _touch_level(self, side: Side) -> None:
        """Change, remove or add a level, mostly near the touch, sometimes anywhere."""
        if self._random.random() < 0.05:
            place = self._random.randrange(len(side.order))
        else:
            place = min(int(self._random.expovariate(0.05)), len(side.order) - 1)
        key = side.order[place]
        draw = self._random.random()
        if draw < 0.2 and place and len(side.order) > FEWEST_LEVELS:
            self._change(key, 0)
        elif draw < 0.5 and key != -1 and key + 1 not in side.lots:
            self._change(key + 1, self._quantity())
        else:
            self._change(key, self._quantity())

    def _keep_depth(self, side: Side) -> None:
        while len(side.order) > self._levels:
            self._change(side.order[-1], 0)
        while (key := self._next_outwards(side)) is not None:
            self._change(key, self._quantity())

    def _next_outwards(self, side: Side) -> int | None:
        """A key beyond the worst level; None when the side is deep enough or at price zero."""
        worst = side.order[-1]
        key = worst + self._spacing()
        if len(side.order) >= self._levels or worst < 0 <= key:
            return None
        return key

    def _remove_unknown(self) -> None:
        side = self.book.bids if self._random.random() < 0.5 else self.book.asks
        worst = side.order[-1]
        key = worst + self._random.randrange(10, 200)
        if worst > 0 or key < 0:
            self._change(key, 0)

    def _spacing(self) -> int:
        return self._random.randrange(2, 5) if self._random.random() < 0.15 else 1

    def _quantity(self) -> int:
        return 1 + int(self._random.expovariate(1.0) * self.instrument.lot)

    def _change(self, key: int, lots: int) -> None:
        update_id = self._next_update_id()
        self.book.apply(update_id, key, lots)
        self.log.append(update_id, key, lots)
