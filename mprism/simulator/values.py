"""Values that an exchange gave of an instrument, and what became of them on the way out.

For everything that is neither a trade nor a book: funding rates, open interest, liquidations,
ratios, volatility. The fields are named as the published messages name them and hold what
those must say, worked out from the simulated market and not from the encoded payload.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mprism.simulator.tape import Outcome

Fields = Mapping[str, str | int | None]
"""Decimals and names as strings, times in ms, null for what the exchange does not tell."""


@dataclass(frozen=True, slots=True)
class ValueRecord:
    """What the exchange said at `time_ms` (its own time, Unix epoch)."""

    time_ms: int
    fields: Fields
    outcome: Outcome


class ValueTape:
    """All values of one data type and symbol, in the order in which they were given.

    `symbol` is the exchange's own name. A value that is given several times, as REST answers
    do, is one record.
    """

    def __init__(self, data_type: str, symbol: str) -> None:
        self.data_type = data_type
        self.symbol = symbol
        self._values: list[tuple[int, Fields]] = []
        self._outcomes = bytearray()

    def __len__(self) -> int:
        return len(self._values)

    def append(self, time_ms: int, fields: Fields) -> int:
        """Add the newest value; returns its index."""
        self._values.append((time_ms, fields))
        self._outcomes.append(Outcome.UNSUBSCRIBED)
        return len(self._values) - 1

    def note(self, index: int, outcome: Outcome) -> None:
        """A connection or an answer dealt with the value; the furthest outcome counts."""
        if self._outcomes[index] < outcome:
            self._outcomes[index] = outcome

    def confirm(self, first: int, last: int) -> None:
        """The values with index `first` to `last` were read by a client."""
        self._outcomes[first : last + 1] = bytes((Outcome.CONFIRMED,)) * (last + 1 - first)

    def __getitem__(self, index: int) -> ValueRecord:
        time_ms, fields = self._values[index]
        return ValueRecord(time_ms, fields, Outcome(self._outcomes[index]))

    def records(self, *outcomes: Outcome) -> Iterator[ValueRecord]:
        """The values with one of these outcomes, or all of them, in their order."""
        for index in range(len(self)):
            if not outcomes or self._outcomes[index] in outcomes:
                yield self[index]
