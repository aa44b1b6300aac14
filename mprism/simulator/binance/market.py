"""A whole simulated Binance market: all its symbols, advanced in steps of 10 ms.

Pure and deterministic: the same arguments and the same calls give the same messages. The
rate counts the messages of the main streams (each symbol's trades and its `depth@100ms`),
over all symbols; the first symbol is the busiest. Without orders nothing changes.
"""

from collections.abc import Iterator
from random import Random

from mprism.simulator.binance.feed import SymbolFeed
from mprism.simulator.binance.venue import Venue
from mprism.simulator.book import Book
from mprism.simulator.instrument import Instrument
from mprism.simulator.market import SymbolMarket
from mprism.simulator.truth import Truth
from mprism.simulator.wire import Publication

STEP_US = 10_000
LONGEST_CATCH_UP_US = 1_000_000  # a process that was held up does not make up for more
CHECKPOINT_US = 1_000_000
QUIET_US = (3_000_000, 8_000_000)  # between two orders of a quiet symbol
LONGEST_JUMP = 40  # of update ids that all symbols share


class UpdateIds:
    """Ascending update ids, each at most `longest_jump` above the one before."""

    def __init__(self, random: Random, longest_jump: int) -> None:
        self._random = random
        self._longest_jump = longest_jump
        self._last = random.randrange(10**9, 10**10) * longest_jump

    def next(self) -> int:
        """A new id."""
        self._last += self._random.randint(1, self._longest_jump)
        return self._last


class BinanceMarket:
    """The market of several instruments at `now_us`, in microseconds since the epoch."""

    def __init__(
        self,
        venue: Venue,
        instruments: tuple[Instrument, ...],
        *,
        seed: int,
        rate: float,
        levels: int,
        start_us: int,
    ) -> None:
        self.now_us = start_us - start_us % STEP_US
        self._venue = venue
        self._random = Random(f"{seed}:{venue.exchange}")
        self._rate = rate
        self._credit = 0.0
        self._shared_ids = UpdateIds(self._random, LONGEST_JUMP)
        self.feeds = {
            instrument.symbol: self._open_feed(instrument, n, seed, levels)
            for n, instrument in enumerate(instruments)
        }
        busy = [feed for feed in self.feeds.values() if not feed.market.instrument.quiet]
        self._busy = busy
        self._weights = [1 / (n + 1) for n in range(len(busy))]
        self._quiet = {
            feed: self.now_us + self._random.randrange(QUIET_US[0])
            for feed in self.feeds.values()
            if feed.market.instrument.quiet
        }
        self._checkpoints = {
            symbol: (feed.market.opening, feed.market.opening)
            for symbol, feed in self.feeds.items()
        }

    def _open_feed(self, instrument: Instrument, n: int, seed: int, levels: int) -> SymbolFeed:
        random = Random(f"{seed}:{self._venue.exchange}:{instrument.symbol}")
        ids = self._shared_ids if self._venue.shared_update_ids else UpdateIds(random, 1)
        market = SymbolMarket(instrument, random, ids.next, levels)
        return self._venue.feed(market, random, self._venue.depths, n * STEP_US % 100_000)

    def truth(self) -> Truth:
        """The records that this market goes on writing."""
        symbols = {symbol: feed.truth() for symbol, feed in self.feeds.items()}
        return Truth(self._venue.exchange, self._venue.trade_channel, symbols)

    def advance(self, until_us: int) -> Iterator[Publication]:
        """Let time pass and give what is to be sent meanwhile, in order."""
        self.now_us = max(self.now_us, until_us - until_us % STEP_US - LONGEST_CATCH_UP_US)
        while self.now_us + STEP_US <= until_us:
            self.now_us += STEP_US
            self._spend_credit()
            self._wake_quiet_symbols()
            for feed in self.feeds.values():
                yield from feed.due(self.now_us)
            if self.now_us % CHECKPOINT_US == 0:
                self._checkpoint()

    def _spend_credit(self) -> None:
        a_step = self._rate * STEP_US / 1_000_000
        self._credit += a_step
        # An order may merge with earlier ones into no new message, so tries are limited too.
        tries = 4 + int(4 * a_step)
        while self._busy and self._credit >= 1 and tries:
            feed = self._random.choices(self._busy, self._weights)[0]
            self._credit -= feed.order(self.now_us)
            tries -= 1
        self._credit = min(self._credit, 1 + a_step)

    def _wake_quiet_symbols(self) -> None:
        for feed, wakes_us in self._quiet.items():
            if self._rate and self.now_us >= wakes_us:
                self._credit -= feed.order(self.now_us)
                self._quiet[feed] = self.now_us + self._random.randrange(*QUIET_US)

    def _checkpoint(self) -> None:
        for symbol, feed in self.feeds.items():
            self._checkpoints[symbol] = self._checkpoints[symbol][1], feed.market.book.copy()

    def book(self, symbol: str) -> Book | None:
        """The book as it is now; None for an instrument without a market."""
        feed = self.feeds.get(symbol)
        return None if feed is None else feed.market.book

    def stale_books(self) -> dict[str, Book]:
        """Each symbol's book as it was one to two seconds ago, or at the opening."""
        return {symbol: books[0] for symbol, books in self._checkpoints.items()}
