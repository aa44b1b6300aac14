"""A recording through the same protocols as live data, into events. Deterministic.

What the collector asks for by REST is answered from the recording: with the oldest unused
answer for that instrument, or, if it comes later in the file, when it comes.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from urllib.parse import SplitResult, parse_qs, urlsplit

from mprism.feeds.errors import FeedError
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import (
    NOT_SUBSCRIBED,
    Action,
    Continuity,
    Fetch,
    Reject,
    Request,
    StreamProtocol,
)
from mprism.feeds.venue import Venue
from mprism.recording import Answer, Header, Opened, Received, Record, RecordingError, Sent
from mprism.settings import ExchangeSettings


class Replay:
    """One recording on its way through the protocols of the exchanges that it is of.

    Every connection has protocols of its own: one for the streams that it began with, and one
    for those of each later request. A connection that is opened again begins anew; the others
    go on.
    """

    def __init__(self, venues: Iterable[tuple[Venue, ExchangeSettings]]) -> None:
        """The exchanges that are wanted; those that the recording is not of are left out."""
        self._sources = [_Source(venue, settings) for venue, settings in venues]
        self._wanted: dict[str, list[str]] = {}  # frames and URLs that ask, by connection URL
        self._protocols: dict[str, list[StreamProtocol]] = {}  # by connection URL
        self._answers: deque[tuple[str, frozenset[str], bytes]] = deque()
        self._asked: list[tuple[StreamProtocol, Fetch]] = []

    @property
    def unanswered(self) -> list[str]:
        """What was asked for by REST and is not in the recording: those books are not live."""
        return sorted({asked.key for _, asked in self._asked})

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
                self._choose(record)
            case Opened():
                self._open(record.url)
            case Sent():
                self._wanted.setdefault(record.url, []).append(record.frame)
            case Answer():
                yield from self._answer(record)
            case Received():
                yield from self._receive(record.frame, _ns(record.ts))

    def _choose(self, header: Header) -> None:
        chosen = [source for source in self._sources if source.is_recorded_as(header.venue)]
        if not chosen:
            names = ", ".join(source.venue.name for source in self._sources)
            raise RecordingError(f"recorded from {header.venue}, not from {names}")
        self._sources = chosen

    def _open(self, url: str) -> None:
        self._wanted[url] = [url]
        closed = self._protocols.pop(url, [])
        # What they had asked for must not use up an answer that the new ones need.
        self._asked = [asked for asked in self._asked if asked[0] not in closed]

    def _subscribe(self) -> None:
        if not any(source.has_instruments for source in self._sources):
            raise RecordingError("a frame comes before the exchange's instrument list")
        for url, asked in self._wanted.items():
            for source in self._sources:
                for text in asked:
                    protocol = source.protocol(text)
                    if protocol is not None:
                        self._protocols.setdefault(url, []).append(protocol)
        self._wanted.clear()

    def _receive(self, frame: str, recv_ns: int) -> Iterator[Action]:
        """A frame tells its stream and not its connection: it goes to the one that has it."""
        if self._wanted:
            self._subscribe()
        actions: list[Action] = [Reject(NOT_SUBSCRIBED, "no collected stream was asked for")]
        for protocol in [each for group in self._protocols.values() for each in group]:
            actions = list(protocol.receive(frame, recv_ns))
            if not _is_of_another(actions):
                yield from self._perform(protocol, actions, recv_ns)
                return
        yield from actions

    def _answer(self, record: Answer) -> Iterator[Action]:
        parts = _split(record.url)
        body = record.body.encode()
        values = frozenset(value for found in parse_qs(parts.query).values() for value in found)
        # For every exchange: what one host lists may be of several of them.
        taken = [source.take_instruments(parts.path, values, body) for source in self._sources]
        if any(taken):
            return
        self._answers.append((parts.path, values, body))
        for protocol, asked in tuple(self._asked):
            yield from self._serve(protocol, asked, _ns(record.ts))

    def _perform(
        self, protocol: StreamProtocol, actions: Iterable[Action], recv_ns: int
    ) -> Iterator[Action]:
        for action in actions:
            if isinstance(action, Fetch):
                self._asked.append((protocol, action))
                yield from self._serve(protocol, action, recv_ns)
            else:
                yield action

    def _serve(self, protocol: StreamProtocol, asked: Fetch, recv_ns: int) -> Iterator[Action]:
        subject = _subject(asked.request)
        for answer in self._answers:
            path, values, body = answer
            if path == asked.request.path and subject <= values:
                self._answers.remove(answer)
                self._asked.remove((protocol, asked))
                actions = protocol.fetched(asked.key, body, recv_ns)
                yield from self._perform(protocol, actions, recv_ns)
                return


class _Source:
    """One exchange of a recording: its instruments and what its connections share."""

    def __init__(self, venue: Venue, settings: ExchangeSettings) -> None:
        self.venue = venue
        self._settings = settings
        self._continuity = Continuity()
        # By the number of the request, and what was asked for.
        self._bodies: dict[tuple[int, frozenset[str]], bytes] = {}
        self._instruments: Mapping[str, Instrument] | None = None

    def is_recorded_as(self, name: str) -> bool:
        return name in (self.venue.name, self.venue.recorded_as)

    @property
    def has_instruments(self) -> bool:
        return bool(self._bodies)

    def take_instruments(self, path: str, values: frozenset[str], body: bytes) -> bool:
        """Keep an answer of the instrument list; False if it is none."""
        paths = [request.path for request in self.venue.instrument_requests(self._settings)]
        if path not in paths:
            return False
        # Whatever was asked for there: a recorder may have cut the list another way.
        self._bodies[paths.index(path), values], self._instruments = body, None
        return True

    def protocol(self, text: str) -> StreamProtocol | None:
        """The protocol of what a frame or a URL subscribes to; None where that is nothing."""
        try:
            names = _streams_of_url(text) if "://" in text[:6] else self.venue.streams_of(text)
        except ValueError as error:
            raise RecordingError(f"a sent frame cannot be read: {error}") from error
        if not names or not self._bodies:
            return None
        if self._instruments is None:
            bodies = [self._bodies[key] for key in sorted(self._bodies, key=itemgetter(0))]
            self._instruments = self.venue.parse_instruments(bodies).instruments
        return self.venue.recorded(names, self._instruments, self._settings, self._continuity)


def _subject(request: Request) -> set[str]:
    """What a request is about: the recorder may have asked for another number of levels."""
    values = map(str, request.parameters.values())
    return {value for value in values if not value.isdecimal()}


def _is_of_another(actions: list[Action]) -> bool:
    return (
        len(actions) == 1 and isinstance(actions[0], Reject) and actions[0].reason == NOT_SUBSCRIBED
    )


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
