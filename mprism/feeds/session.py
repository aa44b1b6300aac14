"""Drives one WebSocket connection: the Trio shell around a protocol.

Frames come in lists and leave as lists of events. What the protocol wants by REST is fetched
beside the read path, a task each, through the exchange's shared REST client. Protocol calls are
synchronous and happen in this thread only, and each call's events are sent to the channel
before anything else of the caller; the channel keeps the order of waiting senders, so events
leave in the order of the calls.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from math import inf
from time import time_ns
from typing import Protocol

import structlog
import trio

from mprism.feeds.errors import FeedError, NetworkFault, Refused
from mprism.feeds.feed import Feed
from mprism.feeds.outgoing import Outgoing
from mprism.feeds.protocol import (
    Action,
    BookState,
    Fetch,
    Gap,
    Reject,
    Replace,
    Request,
    Resubscribe,
    Send,
    StreamProtocol,
)
from mprism.feeds.transport import Frame
from mprism.feeds.venue import ConnectionPlan, KeepAlive
from mprism.schema import Event
from mprism.state import FeedStatus

logger = structlog.get_logger()

# However patient its streams are, a silent connection is replaced after this, lest it be dead.
_SILENT_SECONDS = 900.0

Delay = Callable[[int], float]
"""Seconds to wait before attempt n of something, n counting from 0."""


class Connection(Protocol):
    """The transport, as far as a session needs it."""

    oversized: int

    async def receive(self) -> tuple[list[Frame], int]:
        """A list of frames and when the first came, ns. Raises NetworkFault at the end."""

    def take(self) -> tuple[list[Frame], int]:
        """The frames that are at hand, if any, and when the first came, ns."""

    async def send(self, frame: str) -> None:
        """Send a text frame. Raises NetworkFault."""


class Rest(Protocol):
    """The REST client, as far as a session needs it."""

    async def get(self, request: Request, reserve: float = 0.0) -> bytes:
        """The body of the answer, leaving `reserve` of the limit to others. Raises FeedError."""

    def imposed_wait(self, request: Request) -> float:
        """Seconds that the exchange has told us to wait before such a request."""


Connect = Callable[[str], AbstractAsyncContextManager[Connection]]


class Session:
    """One connection of one feed, from its opening to its end."""

    def __init__(
        self, feed: Feed[ConnectionPlan], connection: Connection, rest: Rest, delay: Delay
    ) -> None:
        self._feed = feed
        self._connection = connection
        self._rest = rest
        self._delay = delay
        feed.state.forget_streams()
        self._protocol: StreamProtocol = feed.plan.make_protocol(
            feed.continuity, feed.state.streams
        )
        self._outgoing = Outgoing()
        self._inbound_at = trio.current_time()
        self._oversized = 0
        self._replace: str | None = None

    async def run(self) -> None:
        """Until the connection ends, which always raises one of the feed errors, grouped."""
        feed = self._feed
        feed.protocol = self._protocol
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._send_frames)
                if feed.plan.keep_alive is not None:
                    self._nursery.start_soon(self._keep_alive, feed.plan.keep_alive)
                try:
                    await self._perform(self._protocol.open())
                    await self._read()
                finally:
                    # Whatever ends the connection: what came before it is not lost with it.
                    await self._take_rest()
        finally:
            feed.protocol = None

    async def _read(self) -> None:
        feed, protocol, state = self._feed, self._protocol, self._feed.state
        seen = feed.continuity.messages
        idle_seconds = self._idle_seconds()
        with trio.CancelScope(deadline=trio.current_time() + idle_seconds) as idle:
            while True:
                frames, recv_ns = await self._connection.receive()
                self._inbound_at = trio.current_time()
                state.frames += len(frames)
                state.received_bytes += sum(map(len, frames))
                state.last_frame_at = recv_ns / 1e9
                actions: list[Action] = []
                try:
                    for frame in frames:
                        actions += protocol.receive(frame, recv_ns)
                finally:
                    # Even when a later frame of the list refuses us.
                    await self._perform(actions)
                if feed.continuity.messages > seen:
                    seen = feed.continuity.messages
                    idle.deadline = trio.current_time() + idle_seconds
                    state.last_data_at = recv_ns / 1e9
                    self._note_live()
                elif self._patience == inf and not protocol.unacknowledged:
                    self._note_live()  # there is nothing more to wait for
                self._note_oversized()
                if self._replace is not None:
                    raise NetworkFault(self._replace)
        raise NetworkFault(f"no data for {idle_seconds:g} s")

    async def _take_rest(self) -> None:
        frames, recv_ns = self._connection.take()
        events: list[Event] = []
        with suppress(FeedError):  # the connection has ended by something else already
            for frame in frames:
                actions = self._protocol.receive(frame, recv_ns)
                events += [action for action in actions if isinstance(action, Event)]
        if events:
            await self._feed.publish(events)

    @property
    def _patience(self) -> float:
        """How much longer than any connection this one may stay without data, in seconds."""
        return min((each.patience for each in self._feed.state.streams.values()), default=0.0)

    def _idle_seconds(self) -> float:
        idle_seconds = self._feed.settings.idle_timeout_seconds
        return max(idle_seconds, min(idle_seconds + self._patience, _SILENT_SECONDS))

    def _note_live(self) -> None:
        """Only valid data makes a feed live, and its backoff begin anew, where data is due."""
        state = self._feed.state
        if state.status is not FeedStatus.LIVE:
            state.attempts = 0
            state.enter(FeedStatus.LIVE)
            logger.info("feed live", feed=self._feed.plan.name)

    async def _perform(self, actions: Iterable[Action]) -> None:
        """Do what the protocol wants; events go out together, in order."""
        events: list[Event] = []
        rest = iter(actions)
        try:
            for action in rest:
                if isinstance(action, Event):
                    events.append(action)
                else:
                    self._act(action)
        finally:
            # Even when one of them ends the connection: the feed remembers them all as seen.
            events += [action for action in rest if isinstance(action, Event)]
            self._feed.state.duplicates = self._feed.continuity.duplicates
            if events:
                await self._feed.publish(events)

    def _act(self, action: Action) -> None:
        match action:
            case Send():
                self._outgoing.put(action)
            case Fetch():
                self._nursery.start_soon(self._fetch, action)
            case Resubscribe():
                self._nursery.start_soon(self._resubscribe, action)
            case Replace(reason):
                self._replace = reason
            case Gap() | Reject() | BookState():
                self._feed.note(action, time_ns())

    def _note_oversized(self) -> None:
        limit = self._feed.settings.max_frame_bytes
        for _ in range(self._connection.oversized - self._oversized):
            self._feed.note(Reject("oversized frame", f"more than {limit} bytes"), time_ns())
        self._oversized = self._connection.oversized

    async def _send_frames(self) -> None:
        """Send at the exchange's pace; then everything must be acknowledged within a time."""
        pause = 1 / self._feed.plan.inbound_per_second
        timeout = self._feed.settings.acknowledge_timeout_seconds
        due = inf
        while True:
            with trio.move_on_at(due) as waiting:
                frame = await self._outgoing.next()
            if not waiting.cancelled_caught:
                await self._connection.send(frame.frame)
                await trio.sleep(pause)
                if not frame.urgent:
                    due = trio.current_time() + timeout
                continue
            due = inf
            if missing := self._protocol.unacknowledged:
                text = f"{len(missing)} streams not acknowledged after {timeout:g} s"
                raise NetworkFault(f"{text}, among them {missing[0]}")

    async def _keep_alive(self, keep_alive: KeepAlive) -> None:
        seconds = keep_alive.seconds
        while True:
            quiet_at = self._inbound_at + seconds
            await trio.sleep_until(quiet_at)
            if self._inbound_at + seconds > quiet_at:
                continue
            self._outgoing.put(Send(keep_alive.frame, urgent=True))
            await trio.sleep(seconds)
            if self._inbound_at + seconds <= quiet_at:
                raise NetworkFault(f"no answer to {keep_alive.frame!r} after {seconds:g} s")

    async def _resubscribe(self, wanted: Resubscribe) -> None:
        if wanted.refused:
            await trio.sleep(self._feed.settings.backoff.refused_seconds + self._delay(0))
        elif wanted.attempt:
            await trio.sleep(self._delay(wanted.attempt - 1))
        await self._perform(self._protocol.resubscribe(wanted.stream, time_ns()))

    async def _fetch(self, wanted: Fetch) -> None:
        """Fetch until there is an answer. Failures cost only this key, and wait longer."""
        attempt = wanted.attempt
        if attempt:
            await trio.sleep(self._delay(attempt - 1))
        while True:
            try:
                body = await self._rest.get(wanted.request)
                break
            except FeedError as error:
                self._note_fetch_failure(wanted.key, error)
                refused = isinstance(error, Refused)
                least = self._feed.settings.backoff.refused_seconds if refused else 0.0
                await trio.sleep(least + self._delay(attempt))
                attempt += 1
        await self._perform(self._protocol.fetched(wanted.key, body, time_ns()))

    def _note_fetch_failure(self, key: str, error: FeedError) -> None:
        reason = f"snapshot failed: {type(error).__name__}"
        self._feed.note(Reject(reason, f"{key}: {error}"), time_ns())
