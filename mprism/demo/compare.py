"""A whole stream against the truth of all its exchanges."""

from collections.abc import Iterable, Mapping

from mprism.demo.books import BookComparison
from mprism.demo.result import Problems, Result
from mprism.demo.trades import TradeComparison
from mprism.schema import Event, OrderBook, Trade
from mprism.simulator import Truth


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

    def end(self, interruptions: Mapping[str, int]) -> list[Result]:
        """A row per exchange and data type.

        `interruptions`: how often books went out of sequence, as the collector says.
        """
        results: list[Result] = []
        for exchange, books in self._books.items():
            results += [books.end(interruptions[exchange]), self._trades[exchange].end()]
        return results

    def withheld(self) -> int:
        """Book updates that are not stored because a snapshot stands for them."""
        return sum(books.withheld for books in self._books.values())
