"""Stored order books against the truth. Pure; reads messages in the order of the stream.

The updates of a subject must chain from one to the next, or from a snapshot; each snapshot
must be the true top at its id, and the book that a reader has after each update must be the
true one. What is not there must be explained by an interruption that the collector tells of.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from mprism.demo.result import Problems, Result
from mprism.schema import Level, OrderBook
from mprism.simulator import Truth

_TOP = 20  # levels of a reader's book that are compared after each update

Sides = tuple[list[Level], list[Level]]
"""Bids and asks."""


def are_true(shown: Sides, true: Sides, factor: str) -> bool:
    """Whether these are the true levels, whose quantities are `factor` times those of the wire.

    Digit by digit where nothing had to be converted.
    """
    if factor == "1":
        return shown == true
    return [list(map(_numbers, side)) for side in shown] == [
        [(Decimal(price), Decimal(quantity) * Decimal(factor)) for price, quantity in side]
        for side in true
    ]


def _numbers(level: Level) -> tuple[Decimal, Decimal]:
    return Decimal(level[0] or "NaN"), Decimal(level[1] or "NaN")


@dataclass(slots=True)
class ReaderBook:
    """A book as a user of the messages keeps it."""

    last_update_id: int | None = None
    place: int = -1  # of that id in the history of the true book
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

    def top(self, depth: int) -> Sides:
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
        self.withheld = 0  # updates that the snapshot after an interruption stands for
        self._interruptions = 0  # a snapshot that does not follow the message before it
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
        # By the place in the book's history: ids may begin anew.
        place = self._place(symbol, message.last_update_id)
        if place is not None and place < book.place:
            result.out_of_order += 1
            self._problems.note(f"{symbol} {message.key()} came after {book.last_update_id}")
        if message.update_type == "snapshot":
            self._interruptions += book.last_update_id not in (None, message.last_update_id)
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
        book.place = book.place if place is None else place
        self._compare(message, book)

    def end(self, interruptions: int) -> Result:
        """Everything was read: what is missing.

        An update may be missing where its book was interrupted, which a snapshot has ended
        since; and there may be no more interruptions than the collector owns up to.
        """
        for symbol, book in self._books.items():
            written = self._truth.updates(symbol)
            self.result.sent += len(written)
            missing = [number for number in written if f"u{number}" not in self._ids[symbol]]
            never = [
                number for number in missing if self._truth.position(symbol, number) > book.place
            ]
            self.withheld += len(missing) - len(never)
            if never:
                self.result.lost += len(never)
                self._problems.note(
                    f"{symbol} ends at {book.last_update_id}, its exchange at {never[-1]}"
                )
        if self._interruptions > interruptions:
            self.result.lost += self._interruptions - interruptions
            self._problems.note(
                f"{self.result.exchange}: books were interrupted {self._interruptions} times, "
                f"and the collector tells of {interruptions}"
            )
        return self.result

    def _place(self, symbol: str, update_id: int) -> int | None:
        """Where an id stands in the true book's history; None for one that it never had."""
        try:
            return self._truth.position(symbol, update_id)
        except KeyError:
            return None

    def _compare(self, message: OrderBook, book: ReaderBook) -> None:
        self.result.compared += 1
        symbol, update_id = message.instrument_id, message.last_update_id
        try:
            true = self._truth.book_at(symbol, update_id)
        except KeyError:
            self.result.wrong += 1
            self._problems.note(f"{symbol} never had update id {update_id}")
            return
        is_snapshot = message.update_type == "snapshot"
        depth = message.depth_levels if is_snapshot else _TOP
        shown = (list(message.bids), list(message.asks)) if is_snapshot else book.top(_TOP)
        named = (
            [(message.best_bid_price or "", message.best_bid_quantity or "")],
            [(message.best_ask_price or "", message.best_ask_quantity or "")],
        )
        contract = self._truth.contract(symbol)
        is_right = are_true(shown, true.top(depth), contract[1])
        is_right &= are_true(named, true.top(1), contract[1])
        if not is_right or message.quantity_unit != contract[0]:
            self.result.wrong += 1
            self._problems.note(f"{symbol} {message.key()} is not the true book")
