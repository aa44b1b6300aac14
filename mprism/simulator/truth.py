"""What the simulator really sent: every trade with its outcome, every state of every book.

A trade is *expected* to be stored when it was written on an open connection and a ping
written after it was answered. It is *possible* when it was written but nothing proves that
the client could read it. Every other trade was withheld and cannot be known from the stream.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mprism.simulator.book import Book, ChangeLog, Replay
from mprism.simulator.tape import Outcome, Tape, TradeRecord
from mprism.simulator.values import ValueTape


@dataclass(frozen=True, slots=True)
class SymbolTruth:
    """One symbol: the book before its first change, the changes, the trades by channel, updates.

    Prices and quantities are in the exchange's own units. A quantity on the wire times
    `quantity_factor` is one in `quantity_unit`: `base` for the base currency, or `contracts`.
    """

    opening: Book
    log: ChangeLog
    tapes: Mapping[str, Tape]
    updates: list[int]  # last ids of the updates that were written whole, as they were
    quantity_unit: str = "base"
    quantity_factor: str = "1"


class Truth:
    """The truth of one simulated market.

    `exchange` is the collector's name of it, symbols are the exchange's own. `channel` is
    the trade stream that counts unless another is asked for: `trade` on spot, `aggTrade` on
    USD-M.
    """

    def __init__(
        self,
        exchange: str,
        channel: str,
        symbols: Mapping[str, SymbolTruth],
        values: Sequence[ValueTape] = (),
    ) -> None:
        self.exchange = exchange
        self.channel = channel
        self._symbols = symbols
        self._values = values
        self._replays = {name: Replay(s.opening, s.log) for name, s in symbols.items()}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that have a market."""
        return tuple(self._symbols)

    @property
    def data_types(self) -> frozenset[str]:
        """The types of data that the market gives, by their published names."""
        return frozenset(("orderbook", "trade", *(tape.data_type for tape in self._values)))

    def values(self) -> Iterator[ValueTape]:
        """Everything that is neither a trade nor a book: a tape per data type and symbol."""
        return iter(self._values)

    def contract(self, symbol: str) -> tuple[str, str]:
        """The unit of published quantities, and the factor that makes them of those sent."""
        truth = self._symbols[symbol]
        return truth.quantity_unit, truth.quantity_factor

    def tape(self, symbol: str, channel: str | None = None) -> Tape:
        """All trades of a symbol. Raises KeyError for an unknown symbol or channel."""
        return self._symbols[symbol].tapes[channel or self.channel]

    def trades(self, symbol: str, channel: str | None = None) -> Iterator[TradeRecord]:
        """Every trade that the market made, in id order, whatever became of it."""
        return self.tape(symbol, channel).records()

    def expected(self, symbol: str, channel: str | None = None) -> Iterator[TradeRecord]:
        """The trades that must be stored, in id order."""
        return self.tape(symbol, channel).records(Outcome.CONFIRMED)

    def possible(self, symbol: str, channel: str | None = None) -> Iterator[TradeRecord]:
        """The trades that may be stored or not: written, but never confirmed as read."""
        return self.tape(symbol, channel).records(Outcome.SENT)

    def outcomes(self, channel: str | None = None) -> Counter[Outcome]:
        """How many trades of all symbols ended how."""
        counts: Counter[Outcome] = Counter()
        for symbol in self._symbols:
            tape = self.tape(symbol, channel)
            counts.update({outcome: tape.count(outcome) for outcome in Outcome})
        return counts

    def updates(self, symbol: str) -> Sequence[int]:
        """The last update ids of all book updates that were written whole, in their order."""
        return self._symbols[symbol].updates

    def position(self, symbol: str, update_id: int) -> int:
        """Where an update stands among the changes of a book: a later one is further on.

        Update ids are not always in that order. Raises KeyError like `book_at`.
        """
        return self._replays[symbol].position(update_id)

    def book_at(self, symbol: str, update_id: int) -> Book:
        """The true book right after `update_id`; it changes with the next call for the symbol.

        Cheap when asked in order. Raises KeyError for an id that this book never had, which no
        client can have learned from the simulator.
        """
        return self._replays[symbol].at(update_id)

    def states(self, symbol: str) -> Iterator[Book]:
        """Every state of a book in order; each changes with the next one."""
        truth = self._symbols[symbol]
        return Replay(truth.opening, truth.log).states()
