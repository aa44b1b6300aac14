"""Drives one poll: the Trio shell around what is asked for by REST, a round at a time.

The requests of a round go out one after the other, within the exchange's limits and leaving
the reserve of them to snapshots. What fails for one key costs only that key; being throttled
or refused ends the round.
"""

from collections import deque
from collections.abc import Callable
from time import time_ns

import structlog

from mprism.feeds.errors import NetworkFault
from mprism.feeds.feed import Feed
from mprism.feeds.protocol import Action, Fetch, Reject
from mprism.feeds.session import Rest
from mprism.feeds.venue import PollPlan
from mprism.schema import Event
from mprism.state import FeedStatus

logger = structlog.get_logger()

_DEAD_AFTER = 3  # requests without any answer
_MOST_PAGES = 1_000  # follow-up requests of a round; more is an answer that never ends


class Poller:
    """One poll of one feed."""

    def __init__(
        self, feed: Feed[PollPlan], rest: Rest, clock_ns: Callable[[], int] = time_ns
    ) -> None:
        self._feed = feed
        self._rest = rest
        self._clock_ns = clock_ns
        self._protocol = feed.plan.make_protocol(feed.continuity, feed.state.streams)

    async def run_round(self) -> None:
        """Ask for everything once.

        Raises Throttled and Refused at once, and NetworkFault when nothing was answered, or
        not even one of the first few requests.
        """
        waiting = deque(self._protocol.begin(self._clock_ns()))
        fault: NetworkFault | None = None
        answered = failed = follow_ups = 0
        while waiting:
            wanted = waiting.popleft()
            try:
                actions = await self._ask(wanted)
            except NetworkFault as error:
                fault, failed = error, failed + 1
                self._feed.note(
                    Reject("poll failed: NetworkFault", f"{wanted.key}: {error}"), self._clock_ns()
                )
                if not answered and failed == _DEAD_AFTER:
                    break  # each of hundreds of requests would wait for its time to be over
                continue
            answered += 1
            more = await self._perform(actions)
            follow_ups += len(more)
            if more and follow_ups > _MOST_PAGES:
                self._feed.note(Reject("too many pages", wanted.key), self._clock_ns())
                more = []
            waiting.extendleft(reversed(more))
        if fault is not None and not answered:
            raise fault

    async def _ask(self, wanted: Fetch) -> list[Action]:
        feed, state = self._feed, self._feed.state
        if (wait := self._rest.imposed_wait(wanted.request)) > 0:
            state.next_attempt_at = self._clock_ns() / 1e9 + wait
            state.enter(FeedStatus.THROTTLED, "the exchange told another request to wait")
        body = await self._rest.get(wanted.request, feed.settings.rest_snapshot_reserve)
        state.next_attempt_at = None
        recv_ns = self._clock_ns()
        state.frames += 1
        state.received_bytes += len(body)
        state.last_frame_at = recv_ns / 1e9
        seen = feed.continuity.messages
        actions = list(self._protocol.fetched(wanted.key, body, recv_ns))
        if feed.continuity.messages > seen:
            self._note_data(recv_ns)
        return actions

    def _note_data(self, recv_ns: int) -> None:
        state = self._feed.state
        state.last_data_at = recv_ns / 1e9
        if state.status is not FeedStatus.LIVE:
            state.attempts = 0
            state.connects = 1
            state.enter(FeedStatus.LIVE)
            logger.info("feed live", feed=self._feed.plan.name)

    async def _perform(self, actions: list[Action]) -> list[Fetch]:
        """Publish events together, in order; what is left to ask for is returned."""
        events = [action for action in actions if isinstance(action, Event)]
        for action in actions:
            if isinstance(action, Reject):
                self._feed.note(action, self._clock_ns())
        self._feed.state.duplicates = self._feed.continuity.duplicates
        if events:
            await self._feed.publish(events)
        return [action for action in actions if isinstance(action, Fetch)]
