"""A whole stream against the truth of all its exchanges."""

from collections.abc import Iterable, Mapping

from mprism.demo.books import BookComparison
from mprism.demo.result import Problems, Result
from mprism.demo.trades import TradeComparison
from mprism.demo.values import ValueComparison
from mprism.schema import Event, OrderBook, Trade
from mprism.simulator import Truth


class Comparison:
    """All exchanges and data types of one stream."""

    def __init__(self, truths: Iterable[Truth]) -> None:
        self.problems = Problems()
        self._truths = {truth.exchange: truth for truth in truths}
        self._trades: dict[str, TradeComparison] = {}
        self._books: dict[str, BookComparison] = {}
        self._values: dict[tuple[str, str], ValueComparison] = {}
        for exchange, truth in self._truths.items():
            self._trades[exchange] = TradeComparison(truth, self.problems)
            self._books[exchange] = BookComparison(truth, self.problems)
            for data_type in sorted(truth.data_types - {"orderbook", "trade"}):
                self._values[exchange, data_type] = ValueComparison(
                    exchange, data_type, self.problems
                )

    def read(self, event: Event) -> None:
        """The next message of the stream."""
        if isinstance(event, Trade):
            self._trades[event.exchange].read(event)
        elif isinstance(event, OrderBook):
            self._books[event.exchange].read(event)
        else:
            self._values[event.exchange, event.data_type].read(event)

    def end(self, interruptions: Mapping[str, int]) -> list[Result]:
        """A row per exchange and data type.

        `interruptions`: how often books went out of sequence, as the collector says.
        """
        results: list[Result] = []
        for exchange, truth in self._truths.items():
            results += [
                self._books[exchange].end(interruptions[exchange]),
                self._trades[exchange].end(),
            ]
            tapes = list(truth.values())
            results += [
                values.end(tape for tape in tapes if tape.data_type == data_type)
                for (name, data_type), values in self._values.items()
                if name == exchange
            ]
        return results

    def withheld(self) -> int:
        """Book updates that are not stored because a snapshot stands for them."""
        return sum(books.withheld for books in self._books.values())
