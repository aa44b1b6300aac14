"""The one publisher task: events from the feeds become messages in the stream.

Two halves share the outbox. The intake turns lists of events into messages; it gathers for a
few milliseconds first, so that one burst and one crossing into asyncio serve many of them.
The shipping (`mprism.nursery.shipping`) sends them. Neither waits for the other, with one
exception: when the outbox is full while the broker is taking messages, the intake waits,
the channel fills, and the exchanges' sockets are read more slowly. While the broker is away
the outbox drops instead, by its policy.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import structlog
import trio

from mprism.nursery.backoff import Backoff
from mprism.nursery.ledger import Ledger
from mprism.nursery.outbox import Outbox
from mprism.nursery.shipping import Shipping
from mprism.schema import Event, Message, MessageEncoder, Route
from mprism.settings import NatsSettings
from mprism.state import BrokerState, BrokerStatus, PublisherState

BACKOFF = Backoff(first_seconds=0.1, cap_seconds=5.0)

log = structlog.get_logger()

EventChannel = trio.MemoryReceiveChannel[list[Event]]


async def run_publisher(
    events: EventChannel,
    *,
    urls: Callable[[], Sequence[str]],
    settings: NatsSettings,
    broker: BrokerState,
    state: PublisherState,
    on_recovered: Callable[[set[Route]], None] = lambda books: None,
    backoff: Backoff = BACKOFF,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Publish `events` until the channel has ended and everything is acknowledged.

    Needs `open_loop` around it. `urls` is asked before each attempt to connect, which
    rotates over the answer. `on_recovered` gets the books that lost messages to a full
    backlog once the broker takes messages again; it must not block. Cancelling gives up:
    what is not acknowledged by then is counted as dropped, `stopped` when it was never sent
    and `unconfirmed` when it was.

    It says that it has started when it takes events; the broker may be away then.
    """
    outbox = Outbox(settings.backlog_bytes, state)
    ledger = Ledger(state)
    shipping = Shipping(
        outbox,
        ledger,
        urls=urls,
        settings=settings,
        broker=broker,
        state=state,
        backoff=backoff,
        on_recovered=on_recovered,
    )
    intake = _Intake(events, outbox, ledger, shipping, settings)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shipping.run)
            task_status.started()
            await intake.run()
            shipping.complete()
    finally:
        undelivered = outbox.give_up(intake.rest())
        broker.enter(BrokerStatus.STOPPED)
        if undelivered:
            log.error("messages left undelivered", count=undelivered)


class _Intake:
    """The receiving half of the publisher."""

    def __init__(
        self,
        events: EventChannel,
        outbox: Outbox,
        ledger: Ledger,
        shipping: Shipping,
        settings: NatsSettings,
    ) -> None:
        self._events = events
        self._outbox = outbox
        self._ledger = ledger
        self._shipping = shipping
        self._gather_seconds = settings.gather_seconds
        self._burst_messages = settings.burst_messages
        self._encode = MessageEncoder().encode
        self._encoded: deque[Message] = deque()  # on their way into the outbox
        self._told_of_losses = False

    async def run(self) -> None:
        """Until the channel ends."""
        async for events in self._events:
            self._encode_all(events)
            await trio.sleep(self._gather_seconds)
            await self._push_all()
            for more in self._at_hand():
                self._encode_all(more)
                await self._push_all()
            self._shipping.wakeup.set()
            self._outbox.report()
            self._tell_of_losses()

    def rest(self) -> deque[Message]:
        """What has been handed over but is not in the outbox."""
        for events in self._at_hand():
            self._encode_all(events)
        return self._encoded

    def _at_hand(self) -> Iterator[list[Event]]:
        while True:
            try:
                yield self._events.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return

    def _encode_all(self, events: list[Event]) -> None:
        for event in events:
            message = self._encode(event)
            self._ledger.received(event, message.route)
            self._encoded.append(message)

    async def _push_all(self) -> None:
        outbox, encoded = self._outbox, self._encoded
        while encoded:
            if outbox.lacks_room_for(encoded[0]):
                await self._wait_for_room(encoded[0])
            outbox.push(encoded.popleft())
        if len(outbox) >= self._burst_messages:
            self._shipping.wakeup.set()
        await trio.lowlevel.checkpoint()

    async def _wait_for_room(self, message: Message) -> None:
        """While the broker takes messages; without it the outbox has to drop."""
        shipping = self._shipping
        while self._outbox.lacks_room_for(message):
            if trio.current_time() >= shipping.taking_until:
                return
            shipping.wakeup.set()
            with trio.move_on_at(shipping.taking_until):
                await shipping.progress.wait()

    def _tell_of_losses(self) -> None:
        lost = self._outbox.losses
        if lost and not self._told_of_losses:
            log.warning("backlog full, dropping messages", lost=lost, backlog=len(self._outbox))
        self._told_of_losses = lost > 0
