"""One connection to a NATS server. The only importer of asyncio, nats and trio_asyncio.

- A connection is a scope. It is never revived: nats-py's own reconnecting is off, because
  its hidden buffer would send again what the outbox sends again.
- Publishing never blocks: nats-py gets no limit for its write buffer, whose size the window
  of bursts bounds. A crossing into asyncio costs about 100 us, so one writes many messages.
- nats-py swallows what its callbacks raise. They therefore only append to a list and wake
  the task that reads it, and every decision is made, and every error raised, under Trio.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
import structlog
import trio
import trio_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from mprism.configuration import mask
from mprism.nursery.broker import BrokerAway, BrokerError, BrokerRefused
from mprism.nursery.inbox import Inbox, Received
from mprism.nursery.publication import Publication, written
from mprism.nursery.wakeup import Wakeup

_PING_SECONDS = 10  # a server that does not answer two of these is gone
_CLOSE_SECONDS = 1.0  # for a server that takes what we still have to write
_ABORT_SECONDS = 1.0  # then for nats-py to notice that its socket is gone
_REFUSALS = ("authorization violation", "permissions violation", "authentication", "certificate")

log = structlog.get_logger()


@asynccontextmanager
async def open_loop() -> AsyncIterator[None]:
    """The asyncio loop that connections need. Open it outside of everything that uses NATS."""
    async with trio_asyncio.open_loop() as loop:
        loop.set_exception_handler(_note_stray_error)
        yield


@asynccontextmanager
async def open_connection(url: str, *, connect_timeout: float) -> AsyncIterator["Connection"]:
    """A connection to the server at `url`. The timeout is in seconds.

    Raises BrokerAway or BrokerRefused when there is no connection to be had.
    """
    connection = Connection(url)
    try:
        await connection._connect(connect_timeout)
        yield connection
    finally:
        await connection._close()


class Connection:
    """An open connection; made by `open_connection`."""

    def __init__(self, url: str) -> None:
        self.url = mask(url)
        self.server_version: str | None = None
        self.max_payload = 0  # bytes, headers included
        self._url = url
        self._client = _Client()
        self._dialled = False
        self._subscriptions: dict[str, Subscription] = {}
        self._wakeups: dict[str, Wakeup] = {}
        self._last_error: Exception | None = None
        self._ended = trio.Event()
        self._requests: dict[str, _Request] = {}
        self._request_inbox = ""
        self._requested = 0

    async def publish(self, publications: Iterable[Publication]) -> None:
        """Write all of `publications`, in one crossing. Nothing waits for the server."""
        await self._in_asyncio(self._client.write, written(publications))

    async def request(self, subject: str, payload: bytes, timeout: float) -> Received:
        """The server's answer to `payload`: status "503" when nothing listens to `subject`.

        Raises BrokerAway or BrokerRefused when none comes within `timeout` seconds.
        """
        self._requested += 1
        reply = f"{self._request_inbox}.{self._requested}"
        request = self._requests[reply] = _Request()
        try:
            await self.publish([(subject, payload, reply, None)])
            with trio.move_on_after(timeout):
                await request.done.wait()
        finally:
            del self._requests[reply]
        if request.answer is not None:
            return request.answer
        self.check()
        raise self.blame(f"no answer to {subject} within {timeout:g} s")

    async def open_inbox(self, wakeup: Wakeup) -> Inbox:
        """A new inbox. `wakeup` is set when something came or the connection has ended.

        Nothing is thrown away: whoever opens an inbox bounds what he asks to be sent there.
        """
        prefix = self._client.new_inbox()
        inbox = Inbox(prefix, self.check, wakeup)
        self._wakeups[prefix] = wakeup
        await self._in_asyncio(self._subscribe, prefix, inbox.keep)
        return inbox

    async def close_inbox(self, inbox: Inbox) -> None:
        """Stop listening; not needed for inboxes that live as long as the connection."""
        del self._wakeups[inbox.prefix]
        subscription = self._subscriptions.pop(inbox.prefix)
        if not self._ended.is_set():
            await self._in_asyncio(subscription.unsubscribe)

    def check(self) -> None:
        """Raises BrokerAway or BrokerRefused when the connection has ended."""
        if self._ended.is_set():
            raise self.blame("the connection has ended")

    def blame(self, what: str) -> BrokerError:
        """The error to raise for `what`, with the last thing that the server complained about."""
        error = self._last_error
        if error is None:
            return BrokerAway(f"{what} ({self.url})")
        text = str(error).removeprefix("nats: ") or type(error).__name__
        refused = any(words in text.lower() for words in _REFUSALS)
        return (BrokerRefused if refused else BrokerAway)(f"{what} ({self.url}): {text}")

    async def _connect(self, timeout: float) -> None:
        try:
            with trio.fail_after(timeout):
                await self._in_asyncio(self._connect_client, math.ceil(timeout) + 1)
                self._request_inbox = self._client.new_inbox()
                await self._in_asyncio(self._subscribe, self._request_inbox, self._keep_reply)
            version = self._client.connected_server_version
            self.server_version = f"{version.major}.{version.minor}.{version.patch}"
        except trio.TooSlowError:
            raise self.blame(f"no connection within {timeout:g} s") from None
        except (ValueError, AttributeError, TypeError) as error:
            # nats-py takes what greets it for granted.
            raise self.blame(f"what answers is no NATS server ({error})") from error
        self.max_payload = self._client.max_payload

    async def _connect_client(self, timeout: int) -> None:
        self._dialled = True
        await self._client.connect(
            [self._url],
            name="mprism",
            error_cb=self._keep_error,
            closed_cb=self._note_end,
            allow_reconnect=False,
            # nats-py tries once more than this, and waits in between.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=timeout,
            ping_interval=_PING_SECONDS,
            # No limit: at a limit publishing would wait for the server, uncancellably.
            pending_size=0,
        )

    async def _subscribe(self, prefix: str, sink: Callable[[Received], None]) -> None:
        async def deliver(message: Msg) -> None:
            sink(message)

        self._subscriptions[prefix] = await self._client.subscribe(
            f"{prefix}.>", cb=deliver, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def _in_asyncio(self, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401
        try:
            return await trio_asyncio.aio_as_trio(function)(*args)
        except (nats.errors.Error, OSError) as error:
            if not isinstance(error, nats.errors.NoServersError):
                self._last_error = error
            what = "the connection has ended" if self._request_inbox else "no connection"
            raise self.blame(what) from error

    async def _close(self) -> None:
        if not self._dialled:
            return  # cancelled before nats-py had begun: it cannot close what it never had
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                closed = trio.Event()
                nursery.start_soon(self._close_client, closed)
                with trio.move_on_after(_CLOSE_SECONDS):
                    await closed.wait()
                # Whatever nats-py waits for, it stops waiting when the socket is gone.
                self._client.abort()
                nursery.cancel_scope.deadline = trio.current_time() + _ABORT_SECONDS

    async def _close_client(self, closed: trio.Event) -> None:
        async def close() -> None:
            # nats-py ends the tasks of its subscriptions only when closing goes well.
            for subscription in self._subscriptions.values():
                if not self._client.is_closed:
                    await subscription.unsubscribe()
            await self._client.close()

        try:
            await trio_asyncio.aio_as_trio(close)()
        except (nats.errors.Error, OSError, asyncio.CancelledError) as error:
            log.debug("closing the broker connection failed", url=self.url, error=repr(error))
        finally:
            closed.set()

    def _keep_reply(self, message: Received) -> None:
        request = self._requests.get(message.subject)
        if request is not None:
            request.answer = message
            request.done.set()

    async def _keep_error(self, error: Exception) -> None:
        self._last_error = error

    async def _note_end(self) -> None:
        self._ended.set()
        for request in self._requests.values():
            request.done.set()
        for wakeup in self._wakeups.values():
            wakeup.set()


class _Request:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.answer: Received | None = None


class _Transport(TcpTransport):
    """nats-py's socket, on which writing never fails: the reading side reports its end.

    nats-py writes once more while it closes, and would leave its tasks behind if that raised,
    as it does on a socket that is gone.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __bool__(self) -> bool:
        return True  # else nats-py puts one of its own in our place

    def writelines(self, payload: list[bytes]) -> None:
        writer = self._io_writer
        if writer is not None and not writer.is_closing():
            writer.writelines(payload)

    async def drain(self) -> None:
        writer = self._io_writer
        if writer is not None and not writer.is_closing():
            with suppress(OSError):
                await writer.drain()

    def abort(self) -> None:
        """Close without writing what is left."""
        if self._io_writer is not None:
            self._io_writer.transport.abort()


class _Client(Client):
    """nats-py's client on that socket."""

    def __init__(self) -> None:
        super().__init__()
        self._transport: _Transport = _Transport()

    async def write(self, commands: bytes) -> None:
        """Write whole commands, as `publish` does with its one."""
        if not self.is_connected:
            raise nats.errors.ConnectionClosedError
        # Behind what nats-py has not written yet, a subscription for their answers, say.
        self._pending.append(commands)
        self._pending_data_size += len(commands)
        await self._flush_pending()

    def abort(self) -> None:
        """Make everything that waits for the socket stop waiting."""
        self._transport.abort()


def _note_stray_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Errors in tasks of nats-py that nobody waits for.

    They cannot be ours, because whatever we run in asyncio is waited for under Trio. What
    they break shows: the connection ends, or acknowledgements do not come.
    """
    error = context.get("exception")
    log.error("stray asyncio error", message=context.get("message"), exc_info=error)
