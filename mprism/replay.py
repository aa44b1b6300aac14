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
    NOT_SUBSCRIBED,
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
    """One recording on its way through one exchange's protocols.

    Every connection has protocols of its own: one for the streams that it began with, and one
    for those of each later request. A connection that is opened again begins anew; the others
    go on.
    """

    def __init__(self, venue: Venue, settings: ExchangeSettings) -> None:
        self._venue = venue
        self._settings = settings
        self._instruments: Mapping[str, Instrument] | None = None
        self._continuity = Continuity()
        self._wanted: dict[str, list[str]] = {}  # streams without a protocol, by connection URL
        self._protocols: dict[str, list[StreamProtocol]] = {}  # by connection URL
        self._answers: deque[tuple[str, frozenset[str], bytes]] = deque()
        self._asked: list[tuple[StreamProtocol, FetchSnapshot]] = []

    @property
    def unanswered(self) -> list[str]:
        """The instruments whose last snapshot is not in the recording: their books are not live."""
        return sorted({asked.instrument_id for _, asked in self._asked})

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
                self._open(record.url)
            case Sent():
                names = _streams_of_request(record.frame)
                self._wanted.setdefault(record.url, []).extend(names)
            case Answer():
                yield from self._answer(record)
            case Received():
                yield from self._receive(record.frame, _ns(record.ts))

    def _check(self, header: Header) -> None:
        if header.venue != self._venue.name:
            raise RecordingError(f"recorded from {header.venue}, not from {self._venue.name}")

    def _open(self, url: str) -> None:
        self._wanted[url] = _streams_of_url(url)
        closed = self._protocols.pop(url, [])
        # What they had asked for must not use up an answer that the new ones need.
        self._asked = [asked for asked in self._asked if asked[0] not in closed]

    def _subscribe(self) -> None:
        if self._instruments is None:
            raise RecordingError("a frame comes before the exchange's instrument list")
        for url, names in self._wanted.items():
            if names:
                protocol = self._venue.recorded(
                    names, self._instruments, self._settings, self._continuity
                )
                self._protocols.setdefault(url, []).append(protocol)
        self._wanted.clear()

    def _receive(self, frame: str, recv_ns: int) -> Iterator[Action]:
        """A frame tells its stream and not its connection: it goes to the one that has it."""
        if self._wanted or self._instruments is None:
            self._subscribe()
        actions: list[Action] = []
        for protocol in [each for group in self._protocols.values() for each in group]:
            actions = list(protocol.receive(frame, recv_ns))
            if not _is_of_another(actions):
                yield from self._perform(protocol, actions, recv_ns)
                return
        yield from actions

    def _answer(self, record: Answer) -> Iterator[Action]:
        parts = _split(record.url)
        body = record.body.encode()
        if parts.path == self._venue.instruments_request[0]:
            self._instruments = self._venue.parse_instruments(body).instruments
            return
        values = frozenset(value for found in parse_qs(parts.query).values() for value in found)
        self._answers.append((parts.path, values, body))
        for protocol, asked in tuple(self._asked):
            yield from self._serve(protocol, asked, _ns(record.ts))

    def _perform(
        self, protocol: StreamProtocol, actions: Iterable[Action], recv_ns: int
    ) -> Iterator[Action]:
        for action in actions:
            if isinstance(action, FetchSnapshot):
                self._asked.append((protocol, action))
                yield from self._serve(protocol, action, recv_ns)
            else:
                yield action

    def _serve(
        self, protocol: StreamProtocol, asked: FetchSnapshot, recv_ns: int
    ) -> Iterator[Action]:
        for answer in self._answers:
            path, values, body = answer
            if path == asked.path and asked.instrument_id in values:
                self._answers.remove(answer)
                self._asked.remove((protocol, asked))
                actions = protocol.snapshot(asked.instrument_id, body, recv_ns)
                yield from self._perform(protocol, actions, recv_ns)
                return


def _is_of_another(actions: list[Action]) -> bool:
    return (
        len(actions) == 1 and isinstance(actions[0], Reject) and actions[0].reason == NOT_SUBSCRIBED
    )


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
