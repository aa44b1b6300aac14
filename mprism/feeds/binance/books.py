"""One instrument's book on one connection: snapshot, joining, continuity, publication.

A book is out of sequence (events are kept until a snapshot can be joined with them), live, or
live and being refreshed: when the market has moved so far that fewer levels than are
published are known, a new snapshot is joined beside the live book and takes its place, and
nothing is missed. Nothing is published before the stream has proved itself by a first event.
"""

from collections import deque
from collections.abc import Iterator

from mprism.feeds.binance.market import Market
from mprism.feeds.binance.wire import DepthEvent, DepthSnapshot
from mprism.feeds.book import OrderBook
from mprism.feeds.book_messages import BookMessages
from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import MalformedLevels
from mprism.feeds.protocol import Action, BookState, Continuity, Fetch, Reject, Request
from mprism.schema import Levels
from mprism.schema import OrderBook as OrderBookEvent
from mprism.settings import OrderBookSettings

_BLANKS = b" \t\r\n"
# Events that wait for a snapshot: 100 s of a busy book. Older ones would be in it anyway.
_WAITING_EVENTS = 1_000

Received = tuple[DepthEvent, int]
"""An event and when it was received, ns."""


def event_ns(event: DepthEvent) -> int:
    """The matching engine's time where there is one, else when the event was pushed."""
    return (event.pushed if event.time is None else event.time) * NS_PER_MS


class DepthBook:
    """The book of one `@depth` stream."""

    def __init__(
        self,
        instrument: Instrument,
        market: Market,
        settings: OrderBookSettings,
        continuity: Continuity,
    ) -> None:
        self.instrument = instrument
        self._market = market
        self._settings = settings
        self._continuity = continuity
        self._limit = market.depth_limit(settings.rest_levels)
        # Fewer known levels than these are too few. Where as many are published as a snapshot has,
        # one removal must not cost another snapshot.
        self._enough = min(settings.depth, self._limit * 4 // 5)
        self._messages = BookMessages(instrument, settings)
        self._book = OrderBook(market.window)
        self._live = False
        self._joined = False  # an event has been applied since the snapshot
        self._last_id = -1
        self._attempt = 0
        self._as_of: DepthEvent | None = None  # the last event that the book holds
        self._waiting: deque[Received] | None = None  # set while a snapshot is asked for
        self._snapshot: tuple[DepthSnapshot, int] | None = None  # arrived, not yet joined

    def begin(self) -> Iterator[Action]:
        """The stream is acknowledged: a book that has not begun by itself asks for a snapshot."""
        if not self._live:
            yield from self.request()

    def request(self) -> Iterator[Action]:
        """Ask for a snapshot, unless one is on its way."""
        if self._waiting is None:
            self._waiting = deque(maxlen=_WAITING_EVENTS)
            yield self._fetch()

    def _fetch(self) -> Fetch:
        attempt, self._attempt = self._attempt, self._attempt + 1
        instrument_id = self.instrument.instrument_id
        request = Request(
            self._market.depth_path,
            {"symbol": instrument_id, "limit": self._limit},
            self._market.depth_weight(self._limit),
        )
        return Fetch(instrument_id, request, attempt)

    def update(self, event: DepthEvent, recv_ns: int) -> Iterator[Action]:
        """An event of the stream."""
        if self._live:
            yield from self._advance(event, recv_ns)
        elif self._is_repeated(event):
            # From before the book was lost: to join with it would turn back time.
            self._continuity.duplicates += 1
        else:
            yield from self.request()
            self._keep(event, recv_ns)
        if self._snapshot is not None:
            yield from self._join()

    def _is_repeated(self, event: DepthEvent) -> bool:
        """Whether the book has had this event. An older id that was pushed later is none:

        the exchange's ids began anew, or an id before it was wrong. Only a snapshot helps.
        """
        last = self._as_of
        return last is not None and event.last_id <= self._last_id and event.pushed <= last.pushed

    def _keep(self, event: DepthEvent, recv_ns: int) -> None:
        if self._waiting is not None:
            self._waiting.append((event, recv_ns))

    def snapshot(self, snapshot: DepthSnapshot, recv_ns: int) -> Iterator[Action]:
        """The snapshot that was asked for."""
        if self._waiting is None:
            return  # an answer nobody waits for
        self._snapshot = (snapshot, recv_ns)
        yield from self._join()

    def retry(self) -> Iterator[Action]:
        """The snapshot that was asked for cannot be read: ask again, later."""
        if self._waiting is not None:
            yield self._fetch()

    def _join(self) -> Iterator[Action]:
        """Join the snapshot with the events that wait, as soon as they reach it."""
        if self._snapshot is None or not self._waiting:
            return  # no event yet: the stream has not proved itself
        snapshot, recv_ns = self._snapshot
        as_of = self._waiting[0][0]
        while self._waiting and self._market.precedes(self._waiting[0][0], snapshot.last_update_id):
            as_of, _ = self._waiting.popleft()
        if self._waiting and not self._market.joins(self._waiting[0][0], snapshot.last_update_id):
            self._snapshot = None  # older than the events: the stream has moved on
            yield self._fetch()
        elif self._live and self._last_id < snapshot.last_update_id:
            return  # a refresh that is ahead of the stream waits for it
        else:
            yield from self._start(snapshot, as_of, recv_ns)

    def _start(self, snapshot: DepthSnapshot, as_of: DepthEvent, recv_ns: int) -> Iterator[Action]:
        """The snapshot is the book from now on; then come the events that waited."""
        waited, self._waiting, self._snapshot = self._waiting or deque(), None, None
        book = OrderBook(self._market.window)
        try:
            book.reset(snapshot.bids, snapshot.asks, self._limit)
            if self._live:
                for event, _ in waited:
                    book.apply(event.bids, event.asks)
        except MalformedLevels as error:
            yield Reject("malformed levels", f"{self.instrument.instrument_id}: {error}")
            yield from self.request()
            return
        self._book = book
        if self._live:
            if self._messages.top_id == self._last_id:
                # A message of this id is out: the next event brings the new top.
                self._messages.hurry()
            else:
                yield from self.republish(recv_ns)
            return
        self._live, self._joined, self._as_of = True, False, as_of
        self._last_id = snapshot.last_update_id
        yield BookState(self.instrument.symbol, True, "in sequence")
        # Spot snapshots carry no time: the last event that they hold has the nearest.
        taken = event_ns(as_of) if snapshot.time is None else snapshot.time * NS_PER_MS
        yield self._top(taken, recv_ns)
        for event, event_recv_ns in waited:
            yield from self.update(event, event_recv_ns)

    def _advance(self, event: DepthEvent, recv_ns: int) -> Iterator[Action]:
        """Apply an event to the live book and publish it, or leave the sequence."""
        market, last_id = self._market, self._last_id
        if not self._joined and market.precedes(event, last_id):
            return
        if self._joined and self._is_repeated(event):
            self._continuity.duplicates += 1
            return
        rule = market.follows if self._joined else market.joins
        if not rule(event, last_id) or (self._joined and event.last_id <= last_id):
            yield from self._leave(event, recv_ns, _break(event, last_id))
            return
        try:
            self._book.apply(event.bids, event.asks)
        except MalformedLevels as error:
            yield Reject("malformed levels", f"{self.instrument.instrument_id}: {error}")
            yield from self._leave(None, recv_ns, "an update was malformed")
            return
        self._joined, self._last_id, self._as_of = True, event.last_id, event
        # A repeated event never gets here. A refresh that joined with one would lack all
        # between that event and those that wait.
        self._keep(event, recv_ns)
        if self._waiting is None:
            self._attempt = 0  # not while a refresh fails: it must wait longer each time
        ts_event = event_ns(event)
        if self._settings.mode == "updates":
            # JSON allows blanks in them; a message is one line.
            bids = Levels(bytes(event.bids).translate(None, _BLANKS))
            asks = Levels(bytes(event.asks).translate(None, _BLANKS))
            ids, levels = (last_id, self._last_id), (bids, asks)
            yield self._messages.update(self._book, ids, levels, ts_event, recv_ns)
        if self._messages.is_due(ts_event):
            yield self._top(ts_event, recv_ns)
            if not self._book.reaches(self._enough):
                yield from self.request()

    def _leave(self, event: DepthEvent | None, recv_ns: int, reason: str) -> Iterator[Action]:
        kept = [] if event is None else [(event, recv_ns)]
        self._live, self._waiting, self._snapshot = False, deque(kept, _WAITING_EVENTS), None
        yield BookState(self.instrument.symbol, False, reason)
        yield self._fetch()

    def republish(self, recv_ns: int) -> Iterator[Action]:
        """Publish the top of a live book now: messages of it were lost after they left here."""
        if self._live and self._as_of is not None:
            yield self._top(event_ns(self._as_of), recv_ns)

    def _top(self, ts_event: int, recv_ns: int) -> OrderBookEvent:
        return self._messages.top(self._book, self._last_id, ts_event, recv_ns)


def _break(event: DepthEvent, last_id: int) -> str:
    previous = "" if event.previous_id is None else f", pu {event.previous_id}"
    return f"after id {last_id} came U {event.first_id}, u {event.last_id}{previous}"
