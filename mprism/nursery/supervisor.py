"""One feed, for ever: a scope per connection attempt, and what follows each failure.

The class of the failure decides alone (`mprism.feeds.errors`). What is none of those classes
is a bug and goes through to the root. The wait begins at its first step again only after
valid data has come, never because a connection was opened.
"""

import structlog
import trio

from mprism.feeds.errors import FeedError, Refused, Throttled
from mprism.feeds.feed import Feed
from mprism.feeds.session import Connect, Rest, Session
from mprism.feeds.venue import ConnectionPlan
from mprism.nursery.backoff import Backoff
from mprism.state import FeedState, FeedStatus

logger = structlog.get_logger()

_WAITING = {Throttled: FeedStatus.THROTTLED, Refused: FeedStatus.REFUSED}
_SEVERITY = (Refused, Throttled, FeedError)


def worst(group: BaseExceptionGroup[FeedError]) -> FeedError:
    """The failure that decides, of several at once: refused, then throttled, then the first."""
    leaves = list(_leaves(group))
    for kind in _SEVERITY:
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    raise AssertionError("a group has at least one leaf")


def _leaves(group: BaseExceptionGroup[FeedError]) -> list[FeedError]:
    leaves: list[FeedError] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves


def wait_after(
    failure: FeedError, attempts: int, backoff: Backoff, refused_seconds: float
) -> float:
    """Seconds to wait after `failure`, which was number `attempts` (from 1) in a row."""
    delay = backoff.delay(attempts - 1)
    if isinstance(failure, Throttled):
        return failure.retry_after_seconds + delay
    if isinstance(failure, Refused):
        return refused_seconds + delay
    return delay


async def pause_after(
    failure: FeedError, state: FeedState, backoff: Backoff, refused_seconds: float
) -> None:
    """Note the failure where operators see it, and wait as it demands."""
    state.failed(str(failure))
    wait = wait_after(failure, state.attempts, backoff, refused_seconds)
    state.next_attempt_at = state.clock() + wait
    state.enter(_WAITING.get(type(failure), FeedStatus.BACKING_OFF), str(failure))
    logger.warning(
        "feed down",
        feed=state.name,
        kind=type(failure).__name__,
        reason=str(failure),
        notes=getattr(failure, "__notes__", []),
        attempts=state.attempts,
        next_attempt_seconds=round(wait, 3),
    )
    await trio.sleep(wait)
    state.next_attempt_at = None


async def run_feed(feed: Feed[ConnectionPlan], connect: Connect, rest: Rest) -> None:
    """Keep one feed connected until it is cancelled."""
    settings, state = feed.settings.backoff, feed.state
    backoff = Backoff(settings.first_seconds, settings.cap_seconds)
    try:
        while True:
            failure: FeedError | None = None
            try:
                await _attempt(feed, connect, rest, backoff)
            except* FeedError as group:
                failure = worst(group)
            if failure is not None:
                await pause_after(failure, state, backoff, settings.refused_seconds)
    finally:
        state.enter(FeedStatus.STOPPED)
        _leave_books(state, "the feed has stopped")


async def _attempt(
    feed: Feed[ConnectionPlan], connect: Connect, rest: Rest, backoff: Backoff
) -> None:
    """One connection, from the attempt to its end, which is one of the feed errors."""
    state = feed.state
    state.enter(FeedStatus.CONNECTING)
    try:
        async with connect(feed.plan.url) as connection:
            state.connects += 1
            state.enter(FeedStatus.SUBSCRIBING)
            await Session(feed, connection, rest, backoff.delay).run()
    finally:
        _leave_books(state, "the connection ended")


def _leave_books(state: FeedState, reason: str) -> None:
    state.books_out.update(dict.fromkeys(state.books_live, reason))
    state.books_live.clear()
