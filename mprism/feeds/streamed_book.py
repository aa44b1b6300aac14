"""One instrument's book on a channel that begins with a snapshot: sequence, resync, messages.

OKX `books` and Deribit `book.*`. Each update names the id before it, and is checked before
it is applied. A book that is out of sequence gives up its stream and asks for it anew, alone;
until the exchange has confirmed that, everything of the stream is left unread. A stream whose
snapshot is missing is joined with one from REST, where the exchange says how.
"""

from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto

from msgspec import Raw

from mprism.feeds.book import OrderBook
from mprism.feeds.book_change import BookChange, Splice, StaleSnapshot
from mprism.feeds.book_messages import BookMessages
from mprism.feeds.decimals import MalformedNumber
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import MalformedLevels
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Reject,
    Request,
    Resubscribe,
)
from mprism.schema import Event, Levels
from mprism.settings import OrderBookSettings

__all__ = ["BookChange", "StreamedBook"]

# A book that holds so long has recovered: the next break is answered at once again.
_STEADY_NS = 10_000_000_000

_NOTHING = BookChange(True, None, -1, 0, Raw(b"[]"), Raw(b"[]"))


class _Phase(Enum):
    EXPECTING = auto()  # subscribed: a snapshot comes first
    JOINING = auto()  # it was missing: updates wait for one from REST
    LIVE = auto()
    LEAVING = auto()  # out of sequence: what comes belongs to the old subscription


class StreamedBook:
    """The book of the channel `stream`.

    The exchange keeps `window` levels a side, by updates alone. `snapshot_request` asks for
    the same book by REST; None where that cannot be joined with the stream.
    """

    def __init__(
        self,
        stream: str,
        instrument: Instrument,
        settings: OrderBookSettings,
        continuity: Continuity,
        *,
        window: int,
        snapshot_request: Request | None = None,
    ) -> None:
        self.instrument = instrument
        self._stream = stream
        self._continuity = continuity
        self._window = window
        self._request = snapshot_request
        self._with_updates = settings.mode == "updates"
        self._messages = BookMessages(instrument, settings)
        self._book = OrderBook(window, kept=True)
        self._phase = _Phase.EXPECTING
        self._last = _NOTHING  # that the book holds
        self._live_since = 0  # ns, exchange time
        self._attempt = 0
        self._splice = Splice()

    def begin(self) -> Iterator[Action]:
        """The connection is open."""
        yield BookState(self.instrument.symbol, False, "waiting for its first snapshot")

    @property
    def is_leaving(self) -> bool:
        """Whether its stream is to be given up and asked for anew."""
        return self._phase is _Phase.LEAVING

    def restart(self) -> None:
        """The exchange has confirmed the end of the stream: what comes now is of the new one."""
        if self._phase is _Phase.LEAVING:
            self._phase = _Phase.EXPECTING

    def receive(self, change: BookChange, recv_ns: int) -> Iterator[Action]:
        """A message of the stream."""
        if self._phase is _Phase.LEAVING:
            return
        if change.is_snapshot:
            if self._is_repeated(change):
                self._continuity.duplicates += 1
            else:
                yield from self._start(change, recv_ns)
        elif self._phase is _Phase.LIVE:
            yield from self._follow(change, recv_ns)
        elif self._phase is _Phase.EXPECTING:
            yield from self._miss_snapshot(change, recv_ns)
        else:
            yield from self._wait(change, recv_ns)

    def _is_repeated(self, snapshot: BookChange) -> bool:
        """Whether a live book has had this snapshot: to begin with it would turn back time."""
        last = self._last
        is_older = snapshot.last_id <= last.last_id and snapshot.ts_event <= last.ts_event
        return self._phase is _Phase.LIVE and is_older

    def malformed(self, reason: str) -> Iterator[Action]:
        """A message of the stream could not be read, so that the book is not known any more."""
        if self._phase is not _Phase.LEAVING:
            yield from self._leave(reason)

    def fetched(self, snapshot: BookChange, recv_ns: int) -> Iterator[Action]:
        """The snapshot from REST."""
        if self._phase is _Phase.JOINING:
            self._splice.offer(snapshot, recv_ns)
            yield from self._join()

    def retry(self) -> Iterator[Action]:
        """The answer from REST cannot be read: ask again, later."""
        if self._phase is _Phase.JOINING and self._request is not None:
            self._attempt += 1
            yield Fetch(self._stream, self._request, self._attempt)

    def republish(self, recv_ns: int) -> Iterator[Action]:
        """Publish the top of a live book now: messages of it were lost after they left here."""
        if self._phase is _Phase.LIVE:
            last = self._last
            # A level that came to the top and cannot be converted: the next top tells of it.
            with suppress(MalformedNumber):
                yield self._messages.top(self._book, last.last_id, last.ts_event, recv_ns)

    def _miss_snapshot(self, change: BookChange, recv_ns: int) -> Iterator[Action]:
        if self._request is None or change.previous_id is None:
            yield from self._leave("the snapshot is missing")
            return
        self._phase, self._splice = _Phase.JOINING, Splice()
        self._splice.add(change, recv_ns)
        yield Fetch(self._stream, self._request, self._attempt)

    def _wait(self, change: BookChange, recv_ns: int) -> Iterator[Action]:
        """An update that comes before REST's snapshot is joined."""
        if change.previous_id is None:
            yield from self._leave("the snapshot is missing")
            return
        self._splice.add(change, recv_ns)
        yield from self._join()

    def _join(self) -> Iterator[Action]:
        try:
            joined = self._splice.joined()
        except StaleSnapshot:
            yield from self.retry()
            return
        if joined:
            yield from self._start(*joined[0])
        for change, recv_ns in joined[1:]:
            if self._phase is _Phase.LIVE:
                yield from self._follow(change, recv_ns)

    def _start(self, snapshot: BookChange, recv_ns: int) -> Iterator[Action]:
        book = OrderBook(self._window, kept=True)
        try:
            book.reset(snapshot.bids, snapshot.asks, self._window)
            top = self._messages.top(book, snapshot.last_id, snapshot.ts_event, recv_ns)
        except (MalformedLevels, MalformedNumber) as error:
            yield self._reject(error)
            yield from self._leave("a snapshot was malformed")
            return
        if snapshot.is_right is not None and not snapshot.is_right(book):
            yield from self._leave("the checksum of a snapshot is another")
            return
        self._book, self._last = book, snapshot
        self._phase, self._live_since = _Phase.LIVE, snapshot.ts_event
        yield BookState(self.instrument.symbol, True, "in sequence")
        yield top

    def _follow(self, change: BookChange, recv_ns: int) -> Iterator[Action]:
        """Apply a change if it follows the last one; the check comes first."""
        last = self._last
        if change.previous_id is None:
            yield from self._follow_without_ids(change, last, recv_ns)
        elif change.previous_id == last.last_id:
            if change.last_id != last.last_id:
                yield from self._apply(change, recv_ns)
            elif not change.is_empty:
                yield from self._leave(f"changes without a new id after {last.last_id}")
        elif (change.previous_id, change.last_id) == (last.previous_id, last.last_id):
            self._continuity.duplicates += 1
        else:
            yield from self._leave(
                f"after id {last.last_id} came {change.last_id}, which follows {change.previous_id}"
            )

    def _follow_without_ids(
        self, change: BookChange, last: BookChange, recv_ns: int
    ) -> Iterator[Action]:
        if change.is_right is None:
            yield from self._leave("neither ids nor a checksum")
        elif change.last_id <= last.last_id:
            self._continuity.duplicates += 1
        else:
            yield from self._apply(change, recv_ns)

    def _apply(self, change: BookChange, recv_ns: int) -> Iterator[Action]:
        try:
            changed = self._messages.changed(self._book.apply(change.bids, change.asks))
            if change.is_right is not None and not change.is_right(self._book):
                yield from self._leave("the checksum is another")
                return
            events = self._events(change, changed, recv_ns)
        except (MalformedLevels, MalformedNumber) as error:
            yield self._reject(error)
            yield from self._leave("an update was malformed")
            return
        self._last = change
        if change.ts_event - self._live_since > _STEADY_NS:
            self._attempt = 0
        yield from events

    def _events(
        self, change: BookChange, changed: tuple[Levels, Levels], recv_ns: int
    ) -> list[Event]:
        events: list[Event] = []
        if self._with_updates:
            ids = self._last.last_id, change.last_id
            events.append(self._messages.update(self._book, ids, changed, change.ts_event, recv_ns))
        if self._messages.is_due(change.ts_event):
            events.append(self._messages.top(self._book, change.last_id, change.ts_event, recv_ns))
        return events

    def _reject(self, error: ValueError) -> Reject:
        return Reject("malformed levels", f"{self.instrument.instrument_id}: {error}")

    def _leave(self, reason: str) -> Iterator[Action]:
        attempt, self._attempt = self._attempt, self._attempt + 1
        self._phase = _Phase.LEAVING
        yield BookState(self.instrument.symbol, False, reason)
        yield Resubscribe(self._stream, attempt)
