"""Mark price, index price, funding rate and open interest of one USD-M contract.

They change once a second, and all that the exchange says of them, by stream or by REST,
is what was true at the newest of these seconds. So two answers for the same time agree.
"""

from array import array
from bisect import bisect_right
from typing import NamedTuple

from mprism.simulator.binance.noise import Noise
from mprism.simulator.instrument import Grid, Instrument
from mprism.simulator.market import SymbolMarket

UNITS = Grid(8)
"""Prices and rates are whole numbers of 1e-8 here, as the exchange writes them."""

TICK_MS = 1_000
HOUR_MS = 3_600_000
USUAL_FUNDING_HOURS = 8
RATE_SECONDS = 4  # a funding rate holds for so long
_BASIS_POINT = 10_000


class MarkPrice(NamedTuple):
    """What was true at `time_ms`. A delivery contract has no rate, and 0 for the funding time."""

    time_ms: int
    mark_price: int
    average_price: int
    index_price: int
    settle_price: int
    rate: int | None
    next_funding_ms: int


class MarkPrices:
    """The mark prices of one contract, from `now_ms` on; `tick` makes the next one.

    `funding_hours` is the time between two settlements, None for a contract without funding.
    """

    def __init__(
        self, market: SymbolMarket, noise: Noise, funding_hours: int | None, now_ms: int
    ) -> None:
        self.funding_hours = funding_hours
        self._market = market
        self._noise = noise
        self._average = 0
        self._times = array("q")
        self._marks = array("q")
        self.newest = self.tick(now_ms - now_ms % TICK_MS)

    def tick(self, now_ms: int) -> MarkPrice:
        """What is true from `now_ms` on, a whole second."""
        noise, second = self._noise, now_ms // TICK_MS
        book = self._market.book
        scale = scale_of(self._market.instrument.price)
        middle = (book.asks.order[0] - book.bids.order[0]) * scale // 2
        index = middle + int(middle * noise.at("index", second) / _BASIS_POINT)
        mark = index + int(index * noise.smooth("premium", second, 60) * 5 / _BASIS_POINT)
        self._average += (mark - self._average) // (8 if self._average else 1)
        rate, next_funding_ms = None, 0
        if self.funding_hours is not None:
            interval_ms = self.funding_hours * HOUR_MS
            next_funding_ms = now_ms - now_ms % interval_ms + interval_ms
            rate = 10_000 + int(40_000 * noise.at("rate", second // RATE_SECONDS))
        settle = index + int(index * noise.smooth("settle", second, 30) / _BASIS_POINT)
        self._times.append(now_ms)
        self._marks.append(mark)
        self.newest = MarkPrice(now_ms, mark, self._average, index, settle, rate, next_funding_ms)
        return self.newest

    def mark_at(self, time_ms: int) -> int:
        """The mark price at a time; before the first one, the first one."""
        return self._marks[max(0, bisect_right(self._times, time_ms) - 1)]

    def open_interest(self, time_ms: int) -> int:
        """How many lots are held at a time, past or present."""
        noise, second = self._noise, time_ms // TICK_MS
        share = 1 + 0.2 * noise.smooth("held", second, 3_600) + 0.001 * noise.at("trade", second)
        return int(self._market.instrument.lot * 2_000 * share)


def has_funding(instrument: Instrument) -> bool:
    """Whether the contract is a perpetual one, of coins or of shares."""
    return "PERPETUAL" in instrument.contract


def scale_of(grid: Grid) -> int:
    """How many units of 1e-8 one step of the grid is."""
    scale: int = 10 ** (UNITS.digits - grid.digits)
    return grid.step * scale


def decimal(units: int) -> str:
    """Units of 1e-8 as the exchange writes them; unlike on a grid, they may be negative."""
    return f"-{UNITS.text(-units)}" if units < 0 else UNITS.text(units)
