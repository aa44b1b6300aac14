"""Stored messages against the truth. Pure; reads messages in the order of the stream.

Trades: every trade that was provably read by the collector must be stored once, in the order
of its ids, and say what the exchange said. Books: the updates of a subject must chain from
one to the next, or from a snapshot; each snapshot must be the true top at its id, and the
book that a reader has after each update must be the true one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mprism.schema import Event, Level, OrderBook, Trade
from mprism.simulator import Truth

_TOP = 20  # levels of a reader's book that are compared after each update
_PROBLEMS = 20  # described in words; the rest is only counted


@dataclass(slots=True)
class Result:
    """One row of the report: one exchange and data type."""

    exchange: str
    data_type: str
    sent: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    books_compared: int = 0
    books_wrong: int = 0

    @property
    def is_right(self) -> bool:
        """Whether there was something and nothing of it is missing, twice or wrong."""
        faults = self.lost + self.duplicated + self.out_of_order + self.books_wrong
        return not faults and self.stored > 0


class Problems:
    """The first things that were wrong, in words."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Keep `text` if there are not too many already."""
        if len(self.texts) < _PROBLEMS:
            self.texts.append(text)


class TradeComparison:
    """The trades of one exchange."""

    def __init__(self, truth: Truth, problems: Problems) -> None:
        self.result = Result(truth.exchange, "trade")
        self._truth = truth
        self._problems = problems
        self._stored: dict[str, dict[int, Trade]] = {symbol: {} for symbol in truth.symbols}
        self._last: dict[str, int] = {}

    def read(self, trade: Trade) -> None:
        """The next stored trade."""
        result, symbol, trade_id = self.result, trade.instrument_id, int(trade.trade_id)
        result.stored += 1
        if trade_id in self._stored[symbol]:
            result.duplicated += 1
            self._problems.note(f"{symbol} trade {trade_id} is stored twice")
        elif trade_id < self._last.get(symbol, trade_id):
            result.out_of_order += 1
            self._problems.note(f"{symbol} trade {trade_id} came after {self._last[symbol]}")
        self._stored[symbol][trade_id] = trade
        self._last[symbol] = trade_id

    def end(self) -> Result:
        """Everything was read: what is missing, and what is there that must not be.

        A trade with other values is missing; one that was never sent counts as duplicated.
        """
        for symbol, stored in self._stored.items():
            never_sent = dict.fromkeys(stored)
            for record in self._truth.possible(symbol):
                never_sent.pop(record.trade_id, None)
            for record in self._truth.expected(symbol):
                never_sent.pop(record.trade_id, None)
                self.result.sent += 1
                trade = stored.get(record.trade_id)
                true = (record.price, record.quantity, record.buyer_is_maker)
                if trade is None or (trade.price, trade.quantity, trade.is_maker) != true:
                    self.result.lost += 1
                    self._problems.note(f"{symbol} trade {record.trade_id}: {true}, not {trade}")
            for trade_id in never_sent:
                self.result.duplicated += 1
                self._problems.note(f"{symbol} trade {trade_id} was never sent")
        return self.result


@dataclass(slots=True)
class ReaderBook:
    """A book as a user of the messages keeps it."""

    last_update_id: int | None = None
    bids: dict[float, Level] = field(default_factory=dict)
    asks: dict[float, Level] = field(default_factory=dict)

    def start(self, message: OrderBook) -> None:
        """Begin with a snapshot."""
        self.bids = {float(level[0]): level for level in message.bids}
        self.asks = {float(level[0]): level for level in message.asks}

    def apply(self, message: OrderBook) -> None:
        """Apply an update."""
        for levels, changes in ((self.bids, message.bids), (self.asks, message.asks)):
            for level in changes:
                if float(level[1]):
                    levels[float(level[0])] = level
                else:
                    levels.pop(float(level[0]), None)

    def top(self, depth: int) -> tuple[list[Level], list[Level]]:
        """The best levels of both sides."""
        bids = [self.bids[price] for price in sorted(self.bids, reverse=True)[:depth]]
        asks = [self.asks[price] for price in sorted(self.asks)[:depth]]
        return bids, asks


class BookComparison:
    """The books of one exchange."""

    def __init__(self, truth: Truth, problems: Problems) -> None:
        self.result = Result(truth.exchange, "orderbook")
        self._truth = truth
        self._problems = problems
        self._books = {symbol: ReaderBook() for symbol in truth.symbols}
        self._ids: dict[str, set[str]] = {symbol: set() for symbol in truth.symbols}

    def read(self, message: OrderBook) -> None:
        """The next stored book message."""
        result, symbol = self.result, message.instrument_id
        book, ids = self._books[symbol], self._ids[symbol]
        if message.update_type == "update":
            result.stored += 1
        if message.key() in ids:
            result.duplicated += 1
            self._problems.note(f"{symbol} book {message.key()} is stored twice")
            return
        ids.add(message.key())
        if book.last_update_id is not None and message.last_update_id < book.last_update_id:
            result.out_of_order += 1
            self._problems.note(f"{symbol} {message.key()} came after {book.last_update_id}")
        if message.update_type == "snapshot":
            book.start(message)
        elif message.prev_update_id == book.last_update_id:
            book.apply(message)
        else:
            result.lost += 1
            self._problems.note(
                f"{symbol} update {message.last_update_id} follows {message.prev_update_id}, "
                f"and the message before it was {book.last_update_id}"
            )
        book.last_update_id = message.last_update_id
        self._compare(message, book)

    def _compare(self, message: OrderBook, book: ReaderBook) -> None:
        self.result.books_compared += 1
        symbol, update_id = message.instrument_id, message.last_update_id
        try:
            true = self._truth.book_at(symbol, update_id)
        except KeyError:
            self.result.books_wrong += 1
            self._problems.note(f"{symbol} never had update id {update_id}")
            return
        is_snapshot = message.update_type == "snapshot"
        depth = message.depth_levels if is_snapshot else _TOP
        shown = (list(message.bids), list(message.asks)) if is_snapshot else book.top(_TOP)
        best = [true_side[0] for true_side in true.top(1)]
        named = [
            (message.best_bid_price, message.best_bid_quantity),
            (message.best_ask_price, message.best_ask_quantity),
        ]
        if shown != true.top(depth) or named != best:
            self.result.books_wrong += 1
            self._problems.note(f"{symbol} {message.key()} is not the true book")


class Comparison:
    """All exchanges and data types of one stream."""

    def __init__(self, truths: Iterable[Truth]) -> None:
        self.problems = Problems()
        self._trades: dict[str, TradeComparison] = {}
        self._books: dict[str, BookComparison] = {}
        for truth in truths:
            self._trades[truth.exchange] = TradeComparison(truth, self.problems)
            self._books[truth.exchange] = BookComparison(truth, self.problems)

    def read(self, event: Event) -> None:
        """The next message of the stream."""
        if isinstance(event, Trade):
            self._trades[event.exchange].read(event)
        elif isinstance(event, OrderBook):
            self._books[event.exchange].read(event)

    def end(self, updates_sent: dict[str, int]) -> list[Result]:
        """A row per exchange and data type. `updates_sent`: book updates that were written."""
        results: list[Result] = []
        for exchange, books in self._books.items():
            books.result.sent = updates_sent[exchange]
            results += [books.result, self._trades[exchange].end()]
        return results
