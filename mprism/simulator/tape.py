"""Every trade of one symbol on one stream, and what became of it on the way to the clients."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from mprism.simulator.instrument import Instrument


class Outcome(IntEnum):
    """How far a trade got on the connection where it got furthest. Ascending."""

    UNSUBSCRIBED = 0  # no connection had the stream
    SILENCED = 1  # withheld by a silence
    CLOSING = 2  # withheld because the connection was about to be closed
    LOST = 3  # its frame was withheld
    MALFORMED = 4  # its frame was written damaged
    SENT = 5  # written on an open connection; nothing says that it was read
    CONFIRMED = 6  # written, and a ping written after it was answered


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One trade, or one aggregate of trades `first_id` to `last_id`. `time_us` is epoch us."""

    trade_id: int
    price: str
    quantity: str
    buyer_is_maker: bool
    time_us: int
    first_id: int
    last_id: int
    execution: str  # USD-M: MARKET, INSURANCE_FUND or ADL
    outcome: Outcome


EXECUTIONS = ("MARKET", "INSURANCE_FUND", "ADL")
NON_MARKET_FILLS = (1, 2)  # fills that were no trades of the book


class Tape:
    """The trades of one symbol on one stream; ids are consecutive from `first_id`.

    Aggregates that are `named_by_last` have the id of the last trade that they cover instead.
    46 bytes a trade; it grows for as long as the market trades.
    """

    def __init__(
        self, instrument: Instrument, stream: str, first_id: int, *, named_by_last: bool = False
    ) -> None:
        self.instrument = instrument
        self.stream = stream
        self.first_id = first_id
        self._named_by_last = named_by_last
        self._prices = array("q")
        self._lots = array("q")
        self._times = array("q")
        self._firsts = array("q")
        self._lasts = array("q")
        self._flags = bytearray()
        self._outcomes = bytearray()

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def next_id(self) -> int:
        """The id that the next trade gets."""
        return self.first_id + len(self)

    def append(
        self,
        price: int,
        lots: int,
        buyer_is_maker: bool,
        time_us: int,
        *,
        covers: tuple[int, int] | None = None,
        execution: int = 0,
    ) -> int:
        """Add the newest trade, of trades `covers` if it is an aggregate; returns its index."""
        index = len(self)
        first, last = covers or (self.next_id, self.next_id)
        self._prices.append(price)
        self._lots.append(lots)
        self._times.append(time_us)
        self._firsts.append(first)
        self._lasts.append(last)
        self._flags.append(execution << 1 | buyer_is_maker)
        self._outcomes.append(Outcome.UNSUBSCRIBED)
        return index

    def note(self, index: int, outcome: Outcome) -> None:
        """A connection dealt with the trade; the furthest outcome counts."""
        if self._outcomes[index] < outcome:
            self._outcomes[index] = outcome

    def confirm(self, first: int, last: int) -> None:
        """The trades with index `first` to `last` were read by a client."""
        self._outcomes[first : last + 1] = bytes((Outcome.CONFIRMED,)) * (last + 1 - first)

    def count(self, outcome: Outcome) -> int:
        """How many trades ended with this outcome."""
        return self._outcomes.count(outcome)

    def __getitem__(self, index: int) -> TradeRecord:
        flags = self._flags[index]
        return TradeRecord(
            self._lasts[index] if self._named_by_last else self.first_id + index,
            self.instrument.price.text(self._prices[index]),
            self.instrument.quantity.text(self._lots[index]),
            bool(flags & 1),
            self._times[index],
            self._firsts[index],
            self._lasts[index],
            EXECUTIONS[flags >> 1],
            Outcome(self._outcomes[index]),
        )

    def records(self, *outcomes: Outcome) -> Iterator[TradeRecord]:
        """The trades with one of these outcomes, or all of them, in id order."""
        for index in range(len(self)):
            if not outcomes or self._outcomes[index] in outcomes:
                yield self[index]
