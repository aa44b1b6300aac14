"""Liquidations of USD-M contracts, and those of COIN-M that come with them.

A liquidation is a taker order of the simulated market, so its fills are trades as well. The
exchange tells at most one a second of each symbol, the newest; the others are never told.
"""

from random import Random
from typing import NamedTuple

from mprism.simulator.instrument import Grid, Instrument
from mprism.simulator.market import TakerOrder

WINDOW_US = 1_000_000
PAUSE_US = (300_000, 2_500_000)  # between two liquidations of a symbol
UNFILLED_SHARE = 0.2  # of liquidations: the order did not find all that it wanted
COINM_PAUSE_US = (1_500_000, 4_000_000)

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

    def __init__(self, instrument: Instrument, random: Random, now_us: int) -> None:
        self._instrument = instrument
        self._random = random
        self._next_us = now_us + random.randrange(PAUSE_US[0])
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


class CoinMargined:
    """Made-up liquidations of COIN-M contracts, at most one a second of each."""

    def __init__(self, random: Random, now_us: int) -> None:
        self._random = random
        self._next_us = {
            instrument: now_us + random.randrange(*COINM_PAUSE_US) for instrument in COINM
        }

    def due(self, now_us: int) -> list[Liquidation]:
        """Those that are told at this time."""
        due = [instrument for instrument, at_us in self._next_us.items() if now_us >= at_us]
        for instrument in due:
            self._next_us[instrument] = now_us + self._random.randrange(*COINM_PAUSE_US)
        return [self._liquidation(instrument, now_us) for instrument in due]

    def _liquidation(self, instrument: Instrument, now_us: int) -> Liquidation:
        price = instrument.opening + self._random.randrange(-500, 500)
        lots = 1 + self._random.randrange(instrument.lot)
        average = instrument.price.text(price)
        selling = self._random.random() < 0.5
        return Liquidation(instrument, selling, price, average, lots, lots, lots, now_us)


def _average_price(instrument: Instrument, order: TakerOrder) -> str:
    """The mean price of the fills, rounded to the last place that the exchange writes."""
    grid, lots = instrument.price, sum(fill.lots for fill in order.fills)
    value = sum(fill.price * fill.lots for fill in order.fills) * grid.step
    return Grid(grid.digits).text((value + lots // 2) // lots)
