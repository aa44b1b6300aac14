"""Liquidations of contracts: which orders are one, and which of those are told.

A liquidation is a taker order of the simulated market, so its fills are trades as well. The
exchange tells at most one a second of each symbol, the newest; the others are never told.
"""

from random import Random
from typing import NamedTuple

from mprism.simulator.instrument import Grid, Instrument
from mprism.simulator.market import TakerOrder

ALL_LIQUIDATIONS = "!forceOrder@arr"
WINDOW_US = 1_000_000
PAUSE_US = (300_000, 2_500_000)  # between two liquidations of a symbol
UNFILLED_SHARE = 0.2  # of liquidations: the order did not find all that it wanted

COINM = (
    Instrument("BTCUSD_PERP", "BTC", "USD", Grid(1), Grid(0), 651_234, 40),
    Instrument("ETHUSD_PERP", "ETH", "USD", Grid(2), Grid(0), 312_345, 90),
)
"""Contracts margined in coins: quantities are numbers of contracts."""


class Liquidation(NamedTuple):
    """One liquidation order: prices in ticks, quantities in lots, time in us since the epoch."""

    instrument: Instrument
    selling: bool
    price: int
    average_price: str
    lots: int
    last_lots: int
    filled_lots: int
    time_us: int


class Liquidations:
    """The liquidations of one symbol: which orders are one, and which of them are told."""

    def __init__(self, instrument: Instrument, random: Random) -> None:
        self._instrument = instrument
        self._random = random
        self._next_us = 0
        self._newest: Liquidation | None = None

    def note(self, order: TakerOrder, now_us: int) -> None:
        """An order happened; it is a liquidation if it is time for one."""
        if now_us < self._next_us:
            return
        self._next_us = now_us + self._random.randrange(*PAUSE_US)
        filled = sum(fill.lots for fill in order.fills)
        unfilled = 0
        if self._random.random() < UNFILLED_SHARE:
            unfilled = self._random.randrange(1, 1 + self._instrument.lot)
        worst = order.fills[-1].price
        margin = max(1, worst // 200)
        self._newest = Liquidation(
            self._instrument,
            order.buyer_is_maker,
            worst - margin if order.buyer_is_maker else worst + margin,
            _average_price(self._instrument, order),
            filled + unfilled,
            order.fills[-1].lots,
            filled,
            now_us,
        )

    def take(self) -> Liquidation | None:
        """The newest that was not told yet, at the end of a window."""
        newest, self._newest = self._newest, None
        return newest


def _average_price(instrument: Instrument, order: TakerOrder) -> str:
    """The mean price of the fills, rounded to the last place that the exchange writes."""
    grid, lots = instrument.price, sum(fill.lots for fill in order.fills)
    value = sum(fill.price * fill.lots for fill in order.fills) * grid.step
    return Grid(grid.digits).text((value + lots // 2) // lots)
