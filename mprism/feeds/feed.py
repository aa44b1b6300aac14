"""A feed: one planned connection's or poll's place, and all of it that outlives connections."""

from dataclasses import dataclass, field
from time import time_ns
from typing import Generic, Protocol, TypeVar

import structlog
import trio

from mprism.feeds.protocol import BookState, Continuity, Gap, Reject, StreamProtocol
from mprism.feeds.venue import ConnectionPlan, PollPlan
from mprism.schema import Event
from mprism.settings import ExchangeSettings
from mprism.state import FeedState

logger = structlog.get_logger()

_LOG_EVERY_NS = 60 * 1_000_000_000

AnyPlan = TypeVar("AnyPlan", ConnectionPlan, PollPlan)


class EventSink(Protocol):
    """The sending side of the channel to the publisher."""

    async def send(self, value: list[Event]) -> None:
        """Hand over events in their order; waits while the channel is full.

        Raises trio.BrokenResourceError when nobody receives any more.
        """


@dataclass(slots=True)
class Feed(Generic[AnyPlan]):
    """What a feed is, remembers and counts."""

    plan: AnyPlan
    settings: ExchangeSettings
    state: FeedState
    events: EventSink
    continuity: Continuity = field(default_factory=Continuity)
    protocol: StreamProtocol | None = None  # of the connection that is open now
    _logged: dict[str, tuple[int, int]] = field(default_factory=dict)

    async def publish(self, events: list[Event]) -> None:
        """Hand events to the publisher, whatever becomes of the connection they came from.

        Waits while the channel is full, and with it the connection is not read any more.
        Shielded, because the feed already remembers these events as seen: cancelled here they
        would be lost without a gap to show for it. The publisher ends the wait when it ends.
        """
        with trio.CancelScope(shield=True):
            try:
                await self.events.send(events)
            except trio.BrokenResourceError:
                self._note_lost(events)

    def _note_lost(self, events: list[Event]) -> None:
        for event in events:
            self.state.gaps[event.data_type] += 1
        logger.error("events lost, the publisher has ended", feed=self.plan.name, count=len(events))

    async def republish(self, symbol: str) -> None:
        """Publish this symbol's book anew, if the connection that is open now has it live."""
        if self.protocol is not None:
            actions = self.protocol.republish(symbol, time_ns())
            events = [action for action in actions if isinstance(action, Event)]
            if events:
                await self.publish(events)

    def note(self, action: Gap | Reject | BookState, now_ns: int) -> None:
        """Count and log what an operator must be able to see."""
        match action:
            case Gap():
                self._note_gap(action)
            case Reject():
                self.state.rejected[action.reason] += 1
                self._log_reject(action, now_ns)
            case BookState():
                self._note_book(action)

    def _note_gap(self, gap: Gap) -> None:
        missing = gap.last_id - gap.first_id + 1
        self.state.gaps[gap.data_type] += missing
        logger.warning(
            "gap",
            feed=self.plan.name,
            data_type=gap.data_type,
            symbol=gap.symbol,
            first_id=gap.first_id,
            last_id=gap.last_id,
            missing=missing,
        )

    def _note_book(self, book: BookState) -> None:
        state = self.state
        if book.live:
            state.books_out.pop(book.symbol, None)
            state.books_live.add(book.symbol)
            logger.info("book in sequence", feed=self.plan.name, symbol=book.symbol)
            return
        if book.symbol in state.books_live:
            state.resyncs += 1
            logger.warning(
                "book out of sequence",
                feed=self.plan.name,
                symbol=book.symbol,
                reason=book.reason,
            )
        state.books_live.discard(book.symbol)
        state.books_out[book.symbol] = book.reason

    def _log_reject(self, reject: Reject, now_ns: int) -> None:
        """One line per reason and minute, with how many there were since the last one."""
        logged_ns, unlogged = self._logged.get(reject.reason, (-_LOG_EVERY_NS, 0))
        if now_ns - logged_ns < _LOG_EVERY_NS:
            self._logged[reject.reason] = (logged_ns, unlogged + 1)
            return
        self._logged[reject.reason] = (now_ns, 0)
        logger.warning(
            "frame rejected",
            feed=self.plan.name,
            reason=reject.reason,
            detail=reject.detail[:200],
            more_since_last_line=unlogged,
        )
