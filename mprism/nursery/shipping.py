"""From the outbox to the stream, for ever: connect, send, and start again after a failure.

Whatever goes wrong with a connection ends it: everything in flight goes back to the front of
the outbox, and the next connection sends it again, in order and under the same ids. The
stream's duplicate window keeps what had been stored from being stored twice. It does not
last longer than it lasts: after a long absence the end of the stream is read first, and what
is found there is not sent again.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import structlog
import trio

from mprism.nursery.backoff import Backoff
from mprism.nursery.broker import BrokerAway, BrokerError
from mprism.nursery.ingest import Outcome
from mprism.nursery.jetstream import Connection, open_connection
from mprism.nursery.ledger import Ledger
from mprism.nursery.outbox import Burst, Outbox
from mprism.nursery.stored import open_messages
from mprism.nursery.stream import Stream, open_stream
from mprism.nursery.wakeup import Wakeup
from mprism.schema import Route
from mprism.settings import NatsSettings
from mprism.state import BrokerState, BrokerStatus, PublisherState

BURST_BYTES = 1_048_576  # bounds, with the window of bursts, what is in flight
_TAKING_SECONDS = 1.0  # a broker takes messages when it acknowledged some this recently

log = structlog.get_logger()


class Shipping:
    """The sending half of the publisher; `run` is its task."""

    def __init__(
        self,
        outbox: Outbox,
        ledger: Ledger,
        *,
        urls: Callable[[], Sequence[str]],
        settings: NatsSettings,
        broker: BrokerState,
        state: PublisherState,
        backoff: Backoff,
        on_recovered: Callable[[set[Route]], None],
    ) -> None:
        self.wakeup = Wakeup()  # something to send, an answer, or the end
        self.progress = Wakeup()  # something was acknowledged
        self._outbox = outbox
        self._ledger = ledger
        self._urls = urls
        self._settings = settings
        self._broker = broker
        self._state = state
        self._backoff = backoff
        self._on_recovered = on_recovered
        self._scope = trio.CancelScope()
        self._complete = False  # nothing will be added to the outbox
        self._attempts = 0  # since the last acknowledgement
        self._acknowledged_at = float("-inf")  # on Trio's clock
        self._last_sequence: int | None = None  # nothing of ours in flight is at or before it

    @property
    def taking_until(self) -> float:
        """Until when, on Trio's clock, the broker counts as taking messages."""
        return self._acknowledged_at + _TAKING_SECONDS

    def complete(self) -> None:
        """Nothing more will come: `run` ends once the outbox is empty."""
        self._complete = True
        self.wakeup.set()
        if self._outbox.empty:
            self._scope.cancel()

    async def run(self) -> None:
        """Deliver what is in the outbox, until it is complete and empty."""
        with self._scope:
            while True:
                urls = self._urls()
                url = urls[self._attempts % len(urls)]
                self._attempts += 1
                try:
                    async with open_connection(
                        url, connect_timeout=self._settings.connect_timeout_seconds
                    ) as connection:
                        await self._deliver(connection)
                    return
                except BrokerError as error:
                    self._note_absence(error)
                await trio.sleep(self._backoff.delay(max(self._attempts - 1, 0)))

    async def _deliver(self, connection: Connection) -> None:
        stream = await open_stream(connection, self._settings.stream, self.wakeup)
        self._note_stream(connection, stream)
        await self._confirm_stored(connection, stream)
        outbox = self._outbox
        if outbox.sent_before_at is None:
            self._note_presence()
        try:
            while True:
                self._settle(stream.outcomes())
                if bursts := self._take(stream.largest_payload):
                    await stream.send(bursts)
                outbox.report()
                if self._complete and outbox.empty:
                    return
                await self._wait(connection)
        finally:
            outbox.put_back()

    def _take(self, largest: int) -> list[Burst]:
        bursts = []
        settings, now = self._settings, trio.current_time()
        while self._outbox.bursts_in_flight < settings.bursts_in_flight:
            burst = self._outbox.take_burst(
                now, messages=settings.burst_messages, payload_bytes=BURST_BYTES, largest=largest
            )
            if burst is None:
                break
            bursts.append(burst)
        return bursts

    async def _wait(self, connection: Connection) -> None:
        """For something to do. Raises BrokerError when an acknowledgement is overdue."""
        timeout = self._settings.ack_timeout_seconds
        sent_at = self._outbox.oldest_sent_at
        deadline = float("inf") if sent_at is None else sent_at + timeout
        with trio.move_on_at(deadline):
            await self.wakeup.wait()
            return
        raise connection.blame(f"no acknowledgement within {timeout:g} s")

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        errors = []
        progress = False
        now_ns = time.time_ns()
        for outcome in outcomes:
            if outcome.error is not None:
                errors.append(outcome.error)
                continue
            self._ledger.acknowledged(self._outbox.acknowledge(outcome.number), now_ns)
            self._state.duplicates += outcome.duplicates
            self._last_sequence = max(self._last_sequence or 0, outcome.last_sequence)
            progress = True
        if progress:
            self._note_progress()
        if errors:
            raise BrokerAway(f"the stream did not store a burst: {errors[0]}")

    async def _confirm_stored(self, connection: Connection, stream: Stream) -> None:
        """Find out what was stored of what was sent, where duplicates may no longer be seen."""
        sent_at = self._outbox.sent_before_at
        if sent_at is None or self._last_sequence is None:
            return
        away = trio.current_time() - sent_at
        if away < self._settings.stream.duplicate_window_seconds / 2:
            return
        first = self._last_sequence + 1
        stored: set[str] = set()
        async with open_messages(
            connection, stream.name, first_sequence=first, payloads=False
        ) as batches:
            async for batch in batches:
                stored.update(m.message_id for m in batch if m.message_id is not None)
        confirmed = self._outbox.confirm(stored)
        self._ledger.acknowledged(confirmed, time.time_ns())
        log.info("unconfirmed messages looked up", stored=len(confirmed))

    def _note_progress(self) -> None:
        self._attempts = 0
        self._acknowledged_at = trio.current_time()
        self.progress.set()
        if self._broker.status is not BrokerStatus.CONNECTED:
            self._note_presence()
        if self._outbox.losses and self._outbox.roomy:
            self._recover()

    def _recover(self) -> None:
        """The broker takes messages again and the backlog is worked off."""
        lost = self._outbox.losses
        books = self._outbox.take_losses()
        log.warning("backlog worked off", lost=lost, books_to_restart=len(books))
        if books:
            self._on_recovered(books)

    def _note_presence(self) -> None:
        """The broker takes messages, or there is nothing to show that it does not.

        After a failure only an acknowledgement shows it: a broker that can be reached and
        stores nothing is as good as away.
        """
        broker = self._broker
        broker.enter(BrokerStatus.CONNECTED)
        log.info(
            "broker connected",
            url=broker.url,
            version=broker.server_version,
            stream=broker.stream,
            fast_ingest=broker.fast_ingest,
            backlog=len(self._outbox),
        )

    def _note_stream(self, connection: Connection, stream: Stream) -> None:
        broker = self._broker
        broker.url = connection.url
        broker.server_version = connection.server_version
        broker.stream = stream.name
        broker.fast_ingest = stream.fast_ingest
        broker.connects += 1
        known = self._last_sequence
        if known is not None and stream.last_sequence < known:
            log.error(
                "the stream no longer ends where it was acknowledged",
                acknowledged=known,
                last_sequence=stream.last_sequence,
            )
        self._last_sequence = (
            stream.last_sequence if known is None else min(known, stream.last_sequence)
        )

    def _note_absence(self, error: BrokerError) -> None:
        self._outbox.report()
        reason = str(error)
        # Attempts that fail like the one before say nothing new.
        if (self._broker.status, self._broker.reason) != (BrokerStatus.AWAY, reason):
            log.warning(
                "broker away", kind=type(error).__name__, reason=reason, backlog=len(self._outbox)
            )
        self._broker.enter(BrokerStatus.AWAY, reason)
