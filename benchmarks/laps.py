"""A session's frames, again and again, as one valid stream without an end.

Each lap ends with one update per book that takes it back to where the session began; the
next lap's update ids, trade ids and times go on from there. So `pu` is always the `u` before
it, trade ids count by one, times ascend, and no book is ever crossed or grows by repetition.
"""

from collections.abc import Iterator
from itertools import count, islice
from typing import Any, NamedTuple

import msgspec

from benchmarks.source import Source

Json = dict[str, Any]
Levels = dict[float, tuple[str, str]]

_LAP_GAP_MS = 100


class Frame(NamedTuple):
    """One text frame of a combined stream."""

    stream: str
    text: bytes


class ReferenceBook:
    """A book as simple as can be, to compare with."""

    def __init__(self, snapshot: Json) -> None:
        self.last_update_id: int = snapshot["lastUpdateId"]
        self.bids: Levels = {float(p): (p, q) for p, q in snapshot["bids"]}
        self.asks: Levels = {float(p): (p, q) for p, q in snapshot["asks"]}

    def apply(self, event: Json) -> None:
        """Apply a `depthUpdate`. Raises ValueError when it does not follow."""
        # The first one after the snapshot may span it.
        if not event["pu"] <= self.last_update_id <= event["u"]:
            raise ValueError(f"{event['s']}: {event['pu']} does not follow {self.last_update_id}")
        for levels, changes in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in changes:
                if float(quantity):
                    levels[float(price)] = (price, quantity)
                else:
                    levels.pop(float(price), None)
        self.last_update_id = event["u"]

    def top(self, depth: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The best `depth` bids and asks, best first."""
        bids = [self.bids[price] for price in sorted(self.bids, reverse=True)[:depth]]
        asks = [self.asks[price] for price in sorted(self.asks)[:depth]]
        return bids, asks


class Laps:
    """Frames without an end, made of one session.

    The first `lead_in` frames are the first update of each book: after them the collector has
    all books, and what comes then is measured.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.snapshots: dict[str, Json] = {
            symbol: msgspec.json.decode(body) for symbol, body in source.snapshots.items()
        }
        self.lead_in = len(self.snapshots)
        events = _from_snapshots_on(source, self.snapshots)
        self._lap = events + _returns(events, self.snapshots)
        self._steps = _steps(self._lap)

    @property
    def streams(self) -> list[str]:
        """Every stream that has frames."""
        return list(dict.fromkeys(stream for stream, _ in self._lap))

    @property
    def length(self) -> int:
        """Frames in a lap."""
        return len(self._lap)

    def frames(self, number: int) -> list[Frame]:
        """The first `number` frames."""
        return list(islice(self._endless(), number))

    def _endless(self) -> Iterator[Frame]:
        encode = msgspec.json.Encoder().encode
        for lap in count():
            for stream, event in self._lap:
                steps = self._steps[stream]
                shifted = {
                    key: value + lap * steps[key] if key in steps else value
                    for key, value in event.items()
                }
                yield Frame(stream, encode({"stream": stream, "data": shifted}))


def _from_snapshots_on(source: Source, snapshots: dict[str, Json]) -> list[tuple[str, Json]]:
    """The session's events, without updates that a snapshot holds, first updates in front."""
    first: dict[str, tuple[str, Json]] = {}
    rest: list[tuple[str, Json]] = []
    for text in source.frames:
        frame = msgspec.json.decode(text)
        stream, event = frame["stream"], frame["data"]
        if event["e"] != "depthUpdate" or event["s"] in first:
            rest.append((stream, event))
        elif event["u"] >= snapshots[event["s"]]["lastUpdateId"]:
            first[event["s"]] = (stream, event)
    return [*first.values(), *rest]


def _returns(lap: list[tuple[str, Json]], snapshots: dict[str, Json]) -> list[tuple[str, Json]]:
    """One update per book that takes it from its last event back to its snapshot."""
    books: dict[str, ReferenceBook] = {}
    symbols: dict[str, str] = {}
    now = max(event[key] for _, event in lap for key in ("E", "T")) + _LAP_GAP_MS
    for stream, event in lap:
        if event["e"] == "depthUpdate":
            if stream not in books:
                books[stream] = ReferenceBook(snapshots[event["s"]])
            books[stream].apply(event)
            symbols[stream] = event["s"]
    return [
        (stream, _return(symbols[stream], book, ReferenceBook(snapshots[symbols[stream]]), now))
        for stream, book in books.items()
    ]


def _return(symbol: str, have: ReferenceBook, want: ReferenceBook, now: int) -> Json:
    return {
        "e": "depthUpdate",
        "E": now,
        "T": now,
        "s": symbol,
        "U": have.last_update_id + 1,
        "u": have.last_update_id + 1,
        "pu": have.last_update_id,
        "b": _difference(have.bids, want.bids),
        "a": _difference(have.asks, want.asks),
    }


def _difference(have: Levels, want: Levels) -> list[tuple[str, str]]:
    gone = [(level[0], "0") for price, level in have.items() if price not in want]
    return gone + [level for price, level in want.items() if have.get(price) != level]


def _steps(lap: list[tuple[str, Json]]) -> dict[str, dict[str, int]]:
    """By stream: what each of an event's ids and times goes up by from lap to lap."""
    times = [event[key] for _, event in lap for key in ("E", "T")]
    time = max(times) - min(times) + _LAP_GAP_MS
    by_stream: dict[str, list[Json]] = {}
    for stream, event in lap:
        by_stream.setdefault(stream, []).append(event)
    steps = {}
    for stream, events in by_stream.items():
        first, last = events[0], events[-1]
        if first["e"] == "depthUpdate":
            ids = dict.fromkeys(("U", "u", "pu"), last["u"] - first["pu"])
        else:
            fills = last["l"] - first["f"] + 1
            ids = {"a": last["a"] - first["a"] + 1, "f": fills, "l": fills}
        steps[stream] = {"E": time, "T": time, **ids}
    return steps
