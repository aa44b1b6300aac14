"""One WebSocket connection, seen from the exchange.

Everything goes out through one outbox, so that frames keep their order. `quiesce` stops the
data and has a ping answered: what ends a connection afterwards loses nothing.
"""

import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

import trio
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from mprism.simulator.framefaults import FrameFaults
from mprism.simulator.lifetime import grow_old, keep_alive, keep_time, watch_idleness
from mprism.simulator.outbox import Outbox
from mprism.simulator.receipts import Receipts
from mprism.simulator.rules import Rules
from mprism.simulator.session import POLICY_VIOLATION, PolicyBreachError, Reply, Session
from mprism.simulator.subscribers import Subscribers
from mprism.simulator.tape import Outcome
from mprism.simulator.wire import Publication, frame

ABNORMAL = 1006
GOODBYE_SECONDS = 1.0  # for the client to answer a close frame

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """An accepted connection. `run` serves it to its end; the rest may be called meanwhile."""

    def __init__(
        self,
        transport: trio.SocketStream,
        protocol: WSConnection,
        session: Session,
        subscribers: Subscribers,
        rules: Rules,
        counts: Counter[str],
    ) -> None:
        self.session = session
        self.outbox = Outbox(transport)
        self.faults = FrameFaults(counts)
        self.closed = trio.Event()
        self.heard = trio.Event()  # the client's next message
        self.active_at = trio.current_time()  # when a text last went either way
        self._transport = transport
        self._protocol = protocol
        self._subscribers = subscribers
        self._rules = rules
        self._counts = counts
        self._receipts = Receipts()
        self._quiet = False  # no more data, because the end is near
        self._leaving = False  # nothing that the client asks matters any more
        self._reading = trio.CancelScope()
        self._inbound: deque[float] = deque(maxlen=rules.inbound_per_second)
        self._text = ""

    def publish(self, publication: Publication) -> None:
        """Send one message of a stream, unless a fault wants it otherwise."""
        if self._quiet:
            outcome, data = Outcome.CLOSING, b""
        elif self.outbox.silent:
            outcome, data = Outcome.SILENCED, b""
            self._counts["frames_silenced"] += 1
        else:
            outcome, data = self.faults.apply(publication, self.session)
            if data:
                self._counts["frames_sent"] += 1
                self.active_at = trio.current_time()
        self.outbox.put(data)
        if publication.updates is not None and outcome is Outcome.SENT:
            publication.updates.append(publication.update_id)
        for tape, index in publication.records:
            self._receipts.note(tape, index, outcome)
        if self.outbox.unsent_bytes > self._rules.max_unsent_bytes:
            self._counts["slow_clients"] += 1
            self.drop()

    def send_text(self, payload: bytes) -> None:
        """Send a text message that belongs to no stream; a silence delays it."""
        self.outbox.put(frame(payload))

    def reply(self, source: Callable[[], Sequence[Reply]]) -> None:
        """Send what the session says, or end the connection if it wants that."""
        try:
            replies = source()
        except PolicyBreachError as breach:
            self._counts["policy_breaches"] += 1
            if breach.code == ABNORMAL:
                self.drop()
            else:
                self.hang_up(breach.code, str(breach))
            return
        for reply in replies:
            if isinstance(reply, Publication):
                self.publish(reply)
            else:
                self.send_text(reply)

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        self._subscribers.add(self)
        self._subscribers.subscribe(self, self.session.delivered)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(keep_alive, self, self._rules, self._counts)
                nursery.start_soon(grow_old, self, self._rules, self._counts)
                nursery.start_soon(watch_idleness, self, self._rules, self._counts)
                nursery.start_soon(keep_time, self)
                with self._reading:
                    await self._read()
                    await self.outbox.flushed()
                nursery.cancel_scope.cancel()
        finally:
            self._quiet = True
            self.outbox.close()
            self._receipts.abandon()
            self._subscribers.remove(self)
            self.closed.set()

    async def _write(self) -> None:
        try:
            await self.outbox.run()
        except _GONE:
            self.drop()

    async def _read(self) -> None:
        try:
            while True:
                for event in self._protocol.events():
                    self._receive(event)
                if self._protocol.state is ConnectionState.CLOSED:
                    return
                data = await self._transport.receive_some(65_536)
                self._protocol.receive_data(data or None)
        except _GONE:
            if not self._leaving:
                self._counts["ended_abruptly"] += 1

    def _receive(self, event: Event) -> None:
        if isinstance(event, CloseConnection):
            self._receive_close(event)
        elif isinstance(event, Ping) and self._admits_another():
            self.outbox.put(self._protocol.send(event.response()))
        elif isinstance(event, Pong) and self._admits_another():
            if not self._receipts.pong(bytes(event.payload)):
                self._counts["unsolicited_pongs"] += 1
        elif isinstance(event, TextMessage | BytesMessage):
            self._receive_part(event)

    def _receive_close(self, event: CloseConnection) -> None:
        if self._protocol.state is ConnectionState.OPEN:
            # No frame of the client's: wsproto says that it cannot read what came.
            self._counts["protocol_errors"] += 1
            self.hang_up(event.code, event.reason or "")
            return
        if self._protocol.state is ConnectionState.REMOTE_CLOSING:
            self.outbox.put(self._protocol.send(event.response()))
        if not self._leaving:
            self._counts["ended_abruptly" if event.code == ABNORMAL else "ended_by_client"] += 1
        self._leaving = True
        self._reading.deadline = trio.current_time() + GOODBYE_SECONDS

    def _receive_part(self, event: TextMessage | BytesMessage) -> None:
        data = event.data
        self._text += data if isinstance(data, str) else data.decode(errors="replace")
        if event.message_finished:
            text, self._text = self._text, ""
            self.active_at = trio.current_time()
            if self._admits_another():
                self._answer(text)

    def _answer(self, text: str) -> None:
        before = set(self.session.delivered)
        self.reply(partial(self.session.receive, text))
        after = set(self.session.delivered)
        self._subscribers.unsubscribe(self, before - after)
        self._subscribers.subscribe(self, after - before)
        self.heard.set()
        self.heard = trio.Event()

    def _admits_another(self) -> bool:
        """Count a frame of the client's; False if nothing that it says matters any more."""
        now = trio.current_time()
        if len(self._inbound) == self._inbound.maxlen and now - self._inbound[0] < 1.0:
            if not self._leaving:
                self._counts["inbound_limit_breaches"] += 1
            self.hang_up(POLICY_VIOLATION, "Too many requests")
        self._inbound.append(now)
        return not self._leaving

    async def confirm(self, timeout: float) -> bool:
        """Send a ping; True once the client has read everything written up to it."""
        await self.outbox.end_of_silence()
        if self._leaving or self.closed.is_set():
            return False
        payload, receipt = self._receipts.ping(time.time_ns() // 1_000_000)
        self.outbox.put(self._protocol.send(Ping(payload=payload)))
        with trio.move_on_after(timeout):
            await receipt.settled.wait()
        return receipt.confirmed

    async def quiesce(self) -> None:
        """Write no more data and wait, within a limit, until the client has read the rest."""
        self._quiet = True
        await self.confirm(self._rules.confirm_timeout)

    async def close(self, code: int, reason: str = "") -> None:
        """Quiesce, then close with this code; 1006 stands for an end without a close frame."""
        await self.quiesce()
        if code == ABNORMAL:
            self.drop()
        else:
            self.hang_up(code, reason)
        await self.closed.wait()

    async def reset(self) -> None:
        """Quiesce, then let the client's socket fail with a reset."""
        await self.quiesce()
        if self.closed.is_set():
            return
        self._leaving = True
        linger = struct.pack("ii", 1, 0)  # on, for no time: closing sends RST instead of FIN
        self._transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.socket.close()
        await self.closed.wait()

    async def end_with(self, data: bytes) -> None:
        """Quiesce, then write a frame at which the client has to end the connection itself."""
        await self.quiesce()
        self.outbox.put(data)
        with trio.move_on_after(self._rules.confirm_timeout):
            await self.closed.wait()
        self.drop()
        await self.closed.wait()

    def hang_up(self, code: int, reason: str) -> None:
        """Close at once, with a moment for the client to answer."""
        if not self._leaving:
            self._quiet = self._leaving = True
            self.outbox.put(self._protocol.send(CloseConnection(code=code, reason=reason)))
            self._reading.deadline = trio.current_time() + GOODBYE_SECONDS

    def drop(self) -> None:
        """End without a word."""
        self._quiet = self._leaving = True
        self._reading.cancel()
