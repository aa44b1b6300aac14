"""A true order book, and the log of every change that was ever made to it.

A level is known by its key: the price in ticks, negative for a bid. So a key names the side
as well, and on both sides a smaller key is a better price. The log alone, applied to the
opening book, gives the book at any update id.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import pairwise

from mprism.simulator.instrument import Instrument

TextLevel = tuple[str, str]
"""Price and quantity as the exchange writes them."""


class Side:
    """One side of a book. `order` holds the keys, best first; `lots` the quantity of each."""

    __slots__ = ("lots", "order")

    def __init__(self) -> None:
        self.lots: dict[int, int] = {}
        self.order: list[int] = []

    def put(self, key: int, lots: int) -> None:
        """Set a level's quantity; zero removes it, and removing an unknown level does nothing."""
        if lots:
            if key not in self.lots:
                insort(self.order, key)
            self.lots[key] = lots
        elif key in self.lots:
            del self.lots[key]
            del self.order[bisect_left(self.order, key)]

    def copy(self) -> "Side":
        """The same levels, independent of this side."""
        other = Side()
        other.lots = self.lots.copy()
        other.order = self.order.copy()
        return other


class Book:
    """Both sides of one instrument's book, true after update `update_id`."""

    __slots__ = ("asks", "bids", "instrument", "update_id")

    def __init__(self, instrument: Instrument, update_id: int) -> None:
        self.instrument = instrument
        self.update_id = update_id
        self.bids = Side()
        self.asks = Side()

    def side_of(self, key: int) -> Side:
        """The side that a level with this key is on."""
        return self.bids if key < 0 else self.asks

    def apply(self, update_id: int, key: int, lots: int) -> None:
        """Make one change; the book is then true at `update_id`."""
        self.side_of(key).put(key, lots)
        self.update_id = update_id

    def top(self, limit: int | None = None) -> tuple[list[TextLevel], list[TextLevel]]:
        """The best `limit` bids and asks, or all of them, best first, as exchange strings."""
        return self._text(self.bids, limit), self._text(self.asks, limit)

    def _text(self, side: Side, limit: int | None) -> list[TextLevel]:
        price, quantity = self.instrument.price.text, self.instrument.quantity.text
        return [(price(abs(key)), quantity(side.lots[key])) for key in side.order[:limit]]

    def copy(self) -> "Book":
        """The same book, independent of this one."""
        other = Book(self.instrument, self.update_id)
        other.bids = self.bids.copy()
        other.asks = self.asks.copy()
        return other


class ChangeLog:
    """Every change in order: update id, level key, new quantity in lots.

    Ids ascend, but an exchange may begin anew with smaller ones; none is ever used twice.
    24 bytes a change; it grows for as long as the market moves.
    """

    __slots__ = ("_beginnings", "ids", "keys", "lots")

    def __init__(self) -> None:
        self.ids = array("q")
        self.keys = array("q")
        self.lots = array("q")
        self._beginnings = [0]  # where ids begin anew

    def __len__(self) -> int:
        return len(self.ids)

    def append(self, update_id: int, key: int, lots: int) -> None:
        """Add the newest change."""
        if self.ids and update_id < self.ids[-1]:
            self._beginnings.append(len(self.ids))
        self.ids.append(update_id)
        self.keys.append(key)
        self.lots.append(lots)

    def find(self, update_id: int) -> int:
        """How many changes there were up to and with this id; 0 for an id that is not here."""
        for start, end in pairwise((*self._beginnings, len(self.ids))):
            count = bisect_right(self.ids, update_id, start, end)
            if count > start and self.ids[count - 1] == update_id:
                return count
        return 0


class Replay:
    """The book at any update id, rebuilt from the opening book. Cheap when asked in order."""

    def __init__(self, opening: Book, log: ChangeLog) -> None:
        self._opening = opening
        self._log = log
        self._book = opening.copy()
        self._applied = 0

    def at(self, update_id: int) -> Book:
        """The book right after `update_id`; it changes with the next call.

        Raises KeyError for an id that this book never had.
        """
        end = self.position(update_id)
        if end < self._applied:
            self._book = self._opening.copy()
            self._applied = 0
        for i in range(self._applied, end):
            self._book.apply(self._log.ids[i], self._log.keys[i], self._log.lots[i])
        self._applied = end
        return self._book

    def position(self, update_id: int) -> int:
        """How many changes there were up to `update_id`. Raises KeyError like `at`."""
        count = self._log.find(update_id)
        if not count and update_id != self._opening.update_id:
            raise KeyError(update_id)
        return count

    def states(self) -> Iterator[Book]:
        """Every state in order, from the opening book on; each changes with the next one."""
        yield self.at(self._opening.update_id)
        for i in range(len(self._log)):
            yield self.at(self._log.ids[i])
