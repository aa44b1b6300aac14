"""What Deribit says of a contract besides its book and its trades: prices, funding, interest.

Everything is seeded, a whole number inside, and moves with the market's time. Prices follow
the book. A rate of exactly zero and rates below zero happen.
"""

from decimal import Decimal
from random import Random
from typing import NamedTuple

from mprism.simulator.deribit.catalog import Contract
from mprism.simulator.deribit.numbers import Number, exact
from mprism.simulator.market import SymbolMarket
from mprism.simulator.values import Fields

PRICES_US = 300_000
INTEREST_US = 1_000_000
FUNDING_US = 3_000_000
RATE_DIGITS = 19  # sixteen that count: as many as a double holds
HIGHEST_RATE = 10**16


class Figures(NamedTuple):
    """One moment's values. Open interest is in contracts; rates are fractions for 8 hours."""

    mark_price: Number
    index_price: Number
    contracts: int
    funding: Number
    funding_8h: Number


class Gauges:
    """The moving values of one contract."""

    def __init__(self, contract: Contract, market: SymbolMarket, random: Random) -> None:
        self._contract = contract
        self._market = market
        self._random = random
        self._contracts = contract.open_interest
        self._rate = random.randrange(10**14, 10**15)
        self.figures = Figures(*self._prices(), self._contracts, *self._rates())

    def move(self, before_us: int, now_us: int) -> bool:
        """Let time pass; True if something changed."""
        figures = self.figures
        if _passed(PRICES_US, before_us, now_us):
            mark, index = self._prices()
            figures = figures._replace(mark_price=mark, index_price=index)
        if _passed(INTEREST_US, before_us, now_us):
            share = self._random.randrange(-500, 501)
            change = self._contract.open_interest * share // 1_000_000
            self._contracts = max(1, self._contracts + change)
            figures = figures._replace(contracts=self._contracts)
        if _passed(FUNDING_US, before_us, now_us):
            self._move_rate()
            funding, funding_8h = self._rates()
            figures = figures._replace(funding=funding, funding_8h=funding_8h)
        changed = figures != self.figures
        self.figures = figures
        return changed

    def _prices(self) -> tuple[Number, Number]:
        book, grid = self._market.book, self._contract.price
        # One digit more than the ticks have, for the middle between two of them.
        middle = (book.asks.order[0] - book.bids.order[0]) * grid.step * 5
        spread = max(2, middle // 20_000)
        mark = middle + self._random.randrange(-spread, spread)
        index = middle + self._random.randrange(-2 * spread, spread)
        return Number(mark, grid.digits + 1), Number(index, grid.digits + 1)

    def _move_rate(self) -> None:
        if self._random.random() < 0.1:
            self._rate = 0
            return
        moved = self._rate + int(self._random.gauss(0, 3e14))
        self._rate = max(-HIGHEST_RATE, min(HIGHEST_RATE, moved))

    def _rates(self) -> tuple[Number, Number]:
        return Number(self._rate, RATE_DIGITS), Number(self._rate // 10**11 + 7, 8)


def _passed(interval_us: int, before_us: int, now_us: int) -> bool:
    return before_us // interval_us != now_us // interval_us


def open_interest_sent(contract: Contract, figures: Figures) -> Number:
    """Open interest as it is sent: US dollars if inverse, else the base coin."""
    return Number(figures.contracts * contract.amount.step, contract.amount.digits)


def open_interest_fields(contract: Contract, figures: Figures) -> Fields:
    """What must be said of it; the dollar value only where it is exactly known."""
    amount = open_interest_sent(contract, figures).decimal
    held, mark = str(figures.contracts), figures.mark_price.text
    if contract.linear:
        return {
            "open_interest": exact(amount),
            "open_interest_contracts": held,
            "open_interest_value": exact(amount * figures.mark_price.decimal),
            "mark_price": mark,
        }
    return {
        "open_interest": held,
        "open_interest_contracts": held,
        "open_interest_value": exact(amount),
        "open_interest_usd": exact(amount),
        "mark_price": mark,
    }


def liquidation_quantity(contract: Contract, lots: int) -> str:
    """A quantity as it must be published: contracts if inverse, else the base coin."""
    if not contract.linear:
        return str(lots)
    return exact(Decimal(lots * contract.amount.step).scaleb(-contract.amount.digits))
