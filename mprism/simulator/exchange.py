"""The whole market of a simulated exchange: all its instruments, advanced in steps of 10 ms.

Pure and deterministic: the same arguments and the same calls give the same messages. The
rate counts the messages of the main streams (each instrument's trades and book updates),
over all instruments; the first one is the busiest. Without orders no book changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Protocol

from mprism.simulator.book import Book
from mprism.simulator.faults import MarketFault
from mprism.simulator.market import SymbolMarket
from mprism.simulator.truth import SymbolTruth, Truth
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

STEP_US = 10_000
LONGEST_CATCH_UP_US = 1_000_000  # a process that was held up does not make up for more
CHECKPOINT_US = 1_000_000
QUIET_US = (3_000_000, 8_000_000)  # between two orders of a quiet instrument


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

    def restart(self) -> None:
        """Go on from much smaller ids, none of which was ever used."""
        self._last //= 2


class Feed(Protocol):
    """The trades and the book of one instrument, as the exchange publishes them."""

    market: SymbolMarket

    def order(self, now_us: int) -> int:
        """One taker order; returns how many more messages of the main streams it causes."""

    def due(self, now_us: int) -> Iterable[Publication]:
        """What is to be sent at this time, in order. Called once each step."""

    def truth(self) -> SymbolTruth:
        """The records that this feed goes on writing."""


class Source(Protocol):
    """Something else that the exchange tells: funding, open interest, ratios and so on."""

    @property
    def values(self) -> Sequence[ValueTape]:
        """The records that it goes on writing."""

    def due(self, now_us: int) -> Iterable[Publication]:
        """What is to be sent at this time, in order. Called once each step."""


class ExchangeMarket:
    """All feeds and sources at `now_us`, in microseconds since the epoch.

    `channel` is the trade channel that counts (see `Truth`). `random` decides who trades.
    """

    def __init__(
        self,
        exchange: str,
        channel: str,
        feeds: Mapping[str, Feed],
        sources: Sequence[Source] = (),
        *,
        random: Random,
        rate: float,
        start_us: int,
    ) -> None:
        self.exchange = exchange
        self.now_us = start_us - start_us % STEP_US
        self.sources = sources
        self._channel = channel
        self._all_feeds = feeds
        self._random = random
        self._rate = rate
        self._credit = 0.0
        self._busy = [feed for feed in feeds.values() if not feed.market.instrument.quiet]
        self._weights = [1 / (n + 1) for n in range(len(self._busy))]
        self._quiet = {
            feed: self.now_us + random.randrange(QUIET_US[0])
            for feed in feeds.values()
            if feed.market.instrument.quiet
        }
        self._checkpoints = {
            symbol: (feed.market.opening, feed.market.opening) for symbol, feed in feeds.items()
        }

    def truth(self) -> Truth:
        """The records that this market goes on writing."""
        symbols = {symbol: feed.truth() for symbol, feed in self._all_feeds.items()}
        values = [tape for source in self.sources for tape in source.values]
        return Truth(self.exchange, self._channel, symbols, values)

    def trade(self, orders: int) -> None:
        """Make so many taker orders in each instrument, now."""
        for feed in self._all_feeds.values():
            for _ in range(orders):
                feed.order(self.now_us)

    def inject(self, fault: MarketFault) -> Iterable[Publication]:
        """Make `fault`; what is to be sent at once. One that does not exist here does nothing."""
        return ()

    def advance(self, until_us: int) -> Iterable[Publication]:
        """Let time pass and give what is to be sent meanwhile, in order."""
        self.now_us = max(self.now_us, until_us - until_us % STEP_US - LONGEST_CATCH_UP_US)
        while self.now_us + STEP_US <= until_us:
            self.now_us += STEP_US
            self._spend_credit()
            self._wake_quiet_instruments()
            for feed in self._all_feeds.values():
                yield from feed.due(self.now_us)
            for source in self.sources:
                yield from source.due(self.now_us)
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

    def _wake_quiet_instruments(self) -> None:
        for feed, wakes_us in self._quiet.items():
            if self._rate and self.now_us >= wakes_us:
                self._credit -= feed.order(self.now_us)
                self._quiet[feed] = self.now_us + self._random.randrange(*QUIET_US)

    def _checkpoint(self) -> None:
        for symbol, feed in self._all_feeds.items():
            self._checkpoints[symbol] = self._checkpoints[symbol][1], feed.market.book.copy()

    def book(self, symbol: str) -> Book | None:
        """The book as it is now; None for an instrument without a market."""
        feed = self._all_feeds.get(symbol)
        return None if feed is None else feed.market.book

    def stale_books(self) -> dict[str, Book]:
        """Each instrument's book as it was one to two seconds ago, or at the opening."""
        return {symbol: books[0] for symbol, books in self._checkpoints.items()}
