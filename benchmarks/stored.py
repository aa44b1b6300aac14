"""What the stream holds against what was sent. Pure; reads messages in the stream's order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from benchmarks.laps import Frame, ReferenceBook
from mprism.schema import Event, OrderBook, Trade

_NS_PER_MS = 1_000_000
_PROBLEMS = 10

Json = dict[str, Any]


def expected_messages(
    frames: Iterable[Frame], snapshots: dict[str, Json], interval_ms: int = 1_000
) -> int:
    """How many messages these frames are: one each, and the snapshots of the books.

    A book has one when it starts and one at the first event of each interval of exchange time.
    """
    interval = {symbol: body["T"] // interval_ms for symbol, body in snapshots.items()}
    messages = len(interval)
    for frame in frames:
        messages += 1
        if "@depth" in frame.stream:
            event = msgspec.json.decode(frame.text)["data"]
            now = event["T"] // interval_ms
            if now > interval[event["s"]]:
                interval[event["s"]] = now
                messages += 1
    return messages


@dataclass(slots=True)
class _Stream:
    """One subject: what was sent on it and is not found yet."""

    sent: list[bytes]
    found: int = 0

    def take(self) -> Json | None:
        if self.found == len(self.sent):
            return None
        self.found += 1
        event: Json = msgspec.json.decode(self.sent[self.found - 1])["data"]
        return event


@dataclass(slots=True)
class StoredComparison:
    """Every message must be the next one that was sent, and every snapshot the true top."""

    frames: Iterable[Frame]
    snapshots: dict[str, Json]
    messages: int = 0
    books: int = 0  # snapshots compared
    problems: list[str] = field(default_factory=list)
    wrong: int = 0
    _streams: dict[str, _Stream] = field(init=False)
    _books: dict[str, ReferenceBook] = field(init=False)

    def __post_init__(self) -> None:
        self._streams = {}
        for frame in self.frames:
            self._streams.setdefault(frame.stream, _Stream([])).sent.append(frame.text)
        self._books = {symbol: ReferenceBook(body) for symbol, body in self.snapshots.items()}

    def read(self, message: Event) -> None:
        """The next stored message."""
        self.messages += 1
        stream = message.instrument_id.lower()
        if isinstance(message, Trade):
            self._check(_trade_as_sent(message), self._streams[f"{stream}@aggTrade"].take())
        elif isinstance(message, OrderBook) and message.update_type == "update":
            self._read_update(message, self._books[message.instrument_id])
        elif isinstance(message, OrderBook):
            self._check_top(message, self._books[message.instrument_id])

    def _read_update(self, message: OrderBook, book: ReferenceBook) -> None:
        sent = self._streams[f"{message.instrument_id.lower()}@depth@100ms"].take()
        if message.prev_update_id != book.last_update_id:
            self._note(f"{message.symbol}: {message.key()} is after {message.prev_update_id}")
        elif self._check(_update_as_sent(message), sent) and sent is not None:
            book.apply(sent)

    def _check(self, found: Json, sent: Json | None) -> bool:
        if sent is None:
            return self._note(f"stored once too often: {found}")
        different = [key for key, value in found.items() if sent[key] != value]
        if different:
            return self._note(f"{different} of {found} instead of {sent}")
        return True

    def _check_top(self, message: OrderBook, book: ReferenceBook) -> None:
        self.books += 1
        shown = list(message.bids), list(message.asks)
        if message.last_update_id != book.last_update_id:
            self._note(f"{message.symbol}: snapshot {message.last_update_id} in the wrong place")
        elif shown != book.top(400):
            self._note(f"{message.symbol}: snapshot {message.last_update_id} is not the book")

    def _note(self, problem: str) -> bool:
        self.wrong += 1
        if len(self.problems) < _PROBLEMS:
            self.problems.append(problem[:500])
        return False

    def end(self) -> None:
        """Everything was read: what is missing."""
        for name, stream in self._streams.items():
            if missing := len(stream.sent) - stream.found:
                self._note(f"{name}: {missing} of {len(stream.sent)} are not stored")


def _trade_as_sent(trade: Trade) -> Json:
    return {
        "a": int(trade.trade_id),
        "p": trade.price,
        "q": trade.quantity,
        "f": int(trade.first_trade_id or -1),
        "l": int(trade.last_trade_id or -1),
        "T": trade.ts_event // _NS_PER_MS,
        "m": trade.is_maker,
    }


def _update_as_sent(update: OrderBook) -> Json:
    return {
        "u": update.last_update_id,
        "b": [list(level) for level in update.bids],
        "a": [list(level) for level in update.asks],
        "T": update.ts_event // _NS_PER_MS,
    }
