"""What a replay came to, in numbers and in words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mprism.feeds.protocol import Action, Gap, Reject
from mprism.schema import Event, OrderBook


@dataclass(slots=True)
class _Read:
    """What the messages of one instrument came to."""

    counts: Counter[str] = field(default_factory=Counter)  # of what is no book, by data type
    updates: int = 0
    snapshots: int = 0
    last: OrderBook | None = None


class Summary:
    """Counts what a replay yields while it passes."""

    def __init__(self) -> None:
        self._instruments: dict[str, _Read] = defaultdict(_Read)
        self._rejected: Counter[str] = Counter()
        self._missing = 0

    def passing(self, actions: Iterable[Action]) -> Iterator[Event]:
        """The events of `actions`."""
        for action in actions:
            if isinstance(action, Event):
                self._count(action)
                yield action
            elif isinstance(action, Reject):
                self._rejected[action.reason] += 1
            elif isinstance(action, Gap):
                self._missing += action.last_id - action.first_id + 1

    def _count(self, event: Event) -> None:
        read = self._instruments[event.instrument_id]
        if isinstance(event, OrderBook):
            read.last = event
            read.updates += event.update_type == "update"
            read.snapshots += event.update_type == "snapshot"
        else:
            read.counts[event.data_type] += 1

    def lines(self) -> Iterator[str]:
        """The counts in words, a line per instrument, then what was missing or not understood."""
        for name, read in sorted(self._instruments.items()):
            line = f"{name}: {read.counts['trade']} trades"
            for data_type, count in sorted(read.counts.items()):
                line += f", {count} {data_type}" if data_type != "trade" else ""
            if read.last is not None:
                book = read.last
                line += (
                    f", {read.snapshots} snapshots, {read.updates} updates to id "
                    f"{book.last_update_id}, best bid {book.best_bid_price} x "
                    f"{book.best_bid_quantity}, best ask {book.best_ask_price} x "
                    f"{book.best_ask_quantity}"
                )
            yield line
        if self._missing:
            yield f"missing trades: {self._missing}"
        for reason, count in sorted(self._rejected.items()):
            yield f"not used, {reason}: {count}"
