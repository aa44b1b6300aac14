"""A recording through the same protocols as live data, into events. Deterministic.

What the collector asks for by REST is answered from the recording: with the oldest unused
answer for that instrument, or, if it comes later in the file, when it comes.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from mprism.feeds.errors import FeedError
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import (
    Action,
    Continuity,
    FetchSnapshot,
    Gap,
    Reject,
    StreamProtocol,
)
from mprism.feeds.venue import Venue
from mprism.recording import Answer, Header, Opened, Received, Record, RecordingError, Sent
from mprism.schema import Event, OrderBook
from mprism.settings import ExchangeSettings


class Replay:
    """One recording on its way through one exchange's protocol."""

    def __init__(self, venue: Venue, settings: ExchangeSettings) -> None:
        self._venue = venue
        self._settings = settings
        self._instruments: Mapping[str, Instrument] | None = None
        self._continuity = Continuity()
        self._protocol: StreamProtocol | None = None
        self._streams: dict[str, list[str]] = {}  # by connection URL
        self._answers: deque[tuple[str, frozenset[str], bytes]] = deque()
        self._asked: list[FetchSnapshot] = []

    def run(self, records: Iterable[Record]) -> Iterator[Action]:
        """The actions that the collector would have taken. Raises RecordingError."""
        for record in records:
            try:
                yield from self._take(record)
            except FeedError as error:
                raise RecordingError(f"the exchange's answer in the recording: {error}") from error

    def _take(self, record: Record) -> Iterator[Action]:
        match record:
            case Header():
                self._check(record)
            case Opened():
                # A connection that was opened again begins anew, and with it its protocol.
                self._streams[record.url] = _streams_of_url(record.url)
                self._discard_protocol()
            case Sent():
                if names := _streams_of_request(record.frame):
                    self._streams.setdefault(record.url, []).extend(names)
                    self._discard_protocol()
            case Answer():
                yield from self._answer(record)
            case Received():
                recv_ns = _ns(record.ts)
                actions = self._connection().receive(record.frame, recv_ns)
                yield from self._perform(actions, recv_ns)

    def _check(self, header: Header) -> None:
        if header.venue != self._venue.name:
            raise RecordingError(f"recorded from {header.venue}, not from {self._venue.name}")

    def _discard_protocol(self) -> None:
        self._protocol = None
        # What it had asked for must not use up an answer that the next one needs.
        self._asked.clear()

    def _connection(self) -> StreamProtocol:
        if self._protocol is None:
            if self._instruments is None:
                raise RecordingError("a frame comes before the exchange's instrument list")
            streams = [name for names in self._streams.values() for name in names]
            self._protocol = self._venue.recorded(
                streams, self._instruments, self._settings, self._continuity
            )
        return self._protocol

    def _answer(self, record: Answer) -> Iterator[Action]:
        parts = _split(record.url)
        body = record.body.encode()
        if parts.path == self._venue.instruments_request[0]:
            self._instruments = self._venue.parse_instruments(body).instruments
            return
        values = frozenset(value for found in parse_qs(parts.query).values() for value in found)
        self._answers.append((parts.path, values, body))
        for asked in tuple(self._asked):
            yield from self._serve(asked, _ns(record.ts))

    def _perform(self, actions: Iterable[Action], recv_ns: int) -> Iterator[Action]:
        for action in actions:
            if isinstance(action, FetchSnapshot):
                self._asked.append(action)
                yield from self._serve(action, recv_ns)
            else:
                yield action

    def _serve(self, asked: FetchSnapshot, recv_ns: int) -> Iterator[Action]:
        for answer in self._answers:
            path, values, body = answer
            if path == asked.path and asked.instrument_id in values:
                self._answers.remove(answer)
                self._asked.remove(asked)
                actions = self._connection().snapshot(asked.instrument_id, body, recv_ns)
                yield from self._perform(actions, recv_ns)
                return


@dataclass(slots=True)
class _Read:
    """What the messages of one instrument came to."""

    trades: int = 0
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
            read.trades += 1

    def lines(self) -> Iterator[str]:
        """The counts in words, a line per instrument, then what was missing or not understood."""
        for name, read in sorted(self._instruments.items()):
            line = f"{name}: {read.trades} trades"
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


def _ns(seconds: float) -> int:
    # Through microseconds: a float of today's seconds has no more digits than that.
    return round(seconds * 1e6) * 1_000


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise RecordingError(f"not a URL: {url!r}: {error}") from error


def _streams_of_url(url: str) -> list[str]:
    return [
        name
        for joined in parse_qs(_split(url).query).get("streams", [])
        for name in joined.split("/")
    ]


def _streams_of_request(frame: str) -> list[str]:
    try:
        request = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordingError(f"a sent frame is not JSON: {error}") from error
    if not isinstance(request, dict) or request.get("method") != "SUBSCRIBE":
        return []
    names = request.get("params")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
