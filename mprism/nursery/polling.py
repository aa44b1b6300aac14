"""One poll, for ever: rounds in step with the exchange, and what follows each failure."""

from collections.abc import Callable
from random import Random
from time import time

import trio

from mprism.feeds.errors import FeedError, Throttled
from mprism.feeds.feed import Feed
from mprism.feeds.poller import Poller
from mprism.feeds.session import Rest
from mprism.feeds.venue import PollPlan
from mprism.nursery.backoff import Backoff
from mprism.nursery.pace import Pace
from mprism.nursery.supervisor import pause_after
from mprism.state import FeedStatus

_LONGEST_OFFSET_SECONDS = 5.0
_OFFSET_SHARE = 0.1  # of the period, at most


def random_offset(period_seconds: float, random: Random) -> float:
    """A small part of the period, another one for each poll."""
    return random.uniform(0.0, min(_LONGEST_OFFSET_SECONDS, period_seconds * _OFFSET_SHARE))


async def run_poll(
    feed: Feed[PollPlan], rest: Rest, pace: Pace, clock: Callable[[], float] = time
) -> None:
    """Ask at once, then in the rounds of `pace`, until cancelled. `clock` is in Unix seconds."""
    settings, state = feed.settings.backoff, feed.state
    backoff = Backoff(settings.first_seconds, settings.cap_seconds)
    poller = Poller(feed, rest, lambda: round(clock() * 1e9))
    state.enter(FeedStatus.CONNECTING)
    try:
        while True:
            try:
                await poller.run_round()
            except FeedError as failure:
                if isinstance(failure, Throttled):
                    pace.slower()
                await pause_after(failure, state, backoff, settings.refused_seconds)
            else:
                now = clock()  # once: asked again it may be past the next round
                await trio.sleep(pace.next_at(now) - now)
                pace.faster()
    finally:
        state.enter(FeedStatus.STOPPED)
