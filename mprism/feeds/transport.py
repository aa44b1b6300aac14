"""WebSocket client connections that hand over lists of frames. The one user of trio-websocket.

trio-websocket wakes its reader once per frame, which costs more than all that is done with
the frame afterwards. Here each socket read's frames come as one run from the protocol in
`mprism.feeds.websocket` and are gathered in a list that the reader takes whole. The list is
bounded: when it is full the socket is not read any more, so that nothing is dropped and the
exchange feels the pressure. A frame above the size limit is skipped in parts as they arrive
and counted; the connection goes on.

What this leans on in trio-websocket 0.12 (`_reader_task`, `_handle_message_event`,
`_close_web_socket`, `_open_handshake`) is held by `tests/socket/test_transport.py`.
"""

import math
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import time, time_ns
from urllib.parse import urlsplit

import h11
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from wsproto.events import BytesMessage, TextMessage
from wsproto.utilities import ProtocolError

from mprism.feeds.errors import NetworkFault, failure_of_status
from mprism.feeds.websocket import ClientProtocol, run_of

Frame = str | bytes | bytearray

_READ_BYTES = 65_536
_MAX_FRAMES = 1_000
_MAX_BYTES = 4 * 1024 * 1024
_CLOSE_SECONDS = 2.0


class FrameConnection(WebSocketConnection):
    """A client connection. Made by `open_websocket`."""

    def __init__(self, stream: trio.abc.Stream, host: str, path: str, max_frame_bytes: int) -> None:
        super().__init__(
            stream,
            ClientProtocol(max_frame_bytes),
            host=host,
            path=path,
            receive_buffer_size=_READ_BYTES,
        )
        self.oversized = 0
        """Frames above the size limit, which were skipped."""
        self._max_frame_bytes = max_frame_bytes
        self._frames: list[Frame] = []
        self._gathered = 0  # bytes in the list
        self._first_ns = 0  # when the first frame of the list came
        self._parts: list[Frame] = []
        self._part_bytes = 0
        self._wake = trio.Event()  # there are frames, or the connection has ended
        self._room = trio.Event()  # the list was taken
        self._rejection: ConnectionRejected | None = None
        self._error = "connection ended"
        self.ended = trio.Event()
        self._reading = trio.CancelScope(shield=True)

    async def run(self) -> None:
        """Read until the connection ends. The reader is told in every case.

        Shielded, because the closing handshake needs it; `closing` ends it.
        """
        with self._reading:
            await self._run()

    async def _run(self) -> None:
        try:
            await self._reader_task()
        except ConnectionRejected as rejection:
            self._rejection = rejection
        except ConnectionClosed:
            pass  # raised while an answer to a protocol error was being sent; `closed` has it
        except (h11.ProtocolError, ProtocolError) as error:
            # wsproto cannot phrase its refusal of what is no WebSocket server at all.
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self.ended.set()
            self._wake.set()
            self._open_handshake.set()

    async def opened(self) -> None:
        """Wait for the opening handshake. Raises one of the feed errors when it fails."""
        await self._open_handshake.wait()
        if self._rejection is not None:
            status = self._rejection.status_code
            headers = dict(self._rejection.headers or ())
            retry_after = headers.get(b"retry-after", b"").decode("ascii", "replace")
            failure = failure_of_status(status, "WebSocket handshake", retry_after, now=time())
            # Below 400 it is a redirect or a plain answer: no WebSocket lives there.
            raise failure or NetworkFault(f"WebSocket handshake: HTTP {status}")
        if self.ended.is_set():
            raise NetworkFault(f"WebSocket handshake: {self._reason()}")

    async def receive(self) -> tuple[list[Frame], int]:
        """All frames that have come, at least one, and when the first of them came, in ns.

        Raises NetworkFault when the connection has ended and everything was handed over.
        """
        if self._frames:
            await trio.lowlevel.checkpoint()
        else:
            await self._wake.wait()
            if not self._frames:
                raise NetworkFault(self._reason())
        return self.take()

    def take(self) -> tuple[list[Frame], int]:
        """The same without waiting, when there may be none."""
        frames, first_ns = self._frames, self._first_ns
        self._frames, self._gathered = [], 0
        if not self.ended.is_set():
            self._wake = trio.Event()
        self._room.set()
        return frames, first_ns

    async def send(self, frame: str) -> None:
        """Send a text frame. Raises NetworkFault."""
        try:
            await self.send_message(frame)
        except ConnectionClosed:
            raise NetworkFault(self._reason()) from None

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close the connection at the end, with a closing handshake if there is time for it."""
        try:
            yield
        finally:
            if not self.ended.is_set():
                with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                    await self.aclose()
            # Before anything that may be cancelled: a reader that waits for room waits for ever.
            self._reading.cancel()
            # trio-websocket leaves the socket open when the peer closed or never answered.
            await trio.aclose_forcefully(self._stream)

    async def _handle_message_event(self, event: BytesMessage | TextMessage) -> None:
        if (run := run_of(event)) is not None:
            await self._gather(run)
            return
        data = event.data
        self._part_bytes += len(data)
        if self._part_bytes > self._max_frame_bytes:
            self._parts.clear()
        elif not event.message_finished:
            self._parts.append(data)
        elif self._parts:
            self._parts.append(data)
            is_text = isinstance(event, TextMessage)
            data = ("" if is_text else b"").join(self._parts)  # type: ignore[arg-type]
        if not event.message_finished:
            return
        if self._part_bytes > self._max_frame_bytes:
            self.oversized += 1
        else:
            await self._gather([data])
        self._parts.clear()
        self._part_bytes = 0

    async def _gather(self, frames: Sequence[Frame]) -> None:
        while frames:
            while len(self._frames) >= _MAX_FRAMES or self._gathered >= _MAX_BYTES:
                self._room = trio.Event()
                await self._room.wait()
            if not self._frames:
                self._first_ns = time_ns()
                self._wake.set()
            fitting = frames[: _MAX_FRAMES - len(self._frames)]
            frames = frames[len(fitting) :]
            self._frames += fitting
            self._gathered += sum(map(len, fitting))

    async def _close_web_socket(self, code: int, reason: str | None = None) -> None:
        await super()._close_web_socket(code, reason)
        # A protocol error leaves trio-websocket reading on; for us the connection is over.
        self.ended.set()
        self._wake.set()

    def _reason(self) -> str:
        if self.closed is None:
            return self._error
        return f"closed with {self.closed.code}" + (
            f" ({self.closed.reason})" if self.closed.reason else f" ({self.closed.name})"
        )


@asynccontextmanager
async def open_websocket(
    url: str, *, open_timeout_seconds: float, max_frame_bytes: int
) -> AsyncIterator[FrameConnection]:
    """A WebSocket connection to `url` (ws or wss), closed at the end.

    Raises NetworkFault, Throttled or Refused, in exception groups as Trio's nurseries do.
    """
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(open_timeout_seconds) as opening:
            connection = await _connect(url, max_frame_bytes)
            async with connection.closing():
                nursery.start_soon(connection.run)
                await connection.opened()
                opening.deadline = math.inf
                yield connection
            nursery.cancel_scope.cancel()
        if opening.cancelled_caught:
            raise NetworkFault(f"not connected after {open_timeout_seconds:g} s")


async def _connect(url: str, max_frame_bytes: int) -> FrameConnection:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    try:
        stream: trio.abc.Stream = await trio.open_tcp_stream(host, port)
        if secure:
            stream = await _secured(stream, host)
    except (OSError, trio.BrokenResourceError) as error:
        raise NetworkFault(f"cannot connect to {host}:{port}: {_cause(error)}") from error
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    # As it was written: with the brackets of an IPv6 address, without a default port.
    return FrameConnection(stream, parts.netloc.rpartition("@")[2], target, max_frame_bytes)


async def _secured(stream: trio.abc.Stream, host: str) -> trio.abc.Stream:
    secured = trio.SSLStream(
        stream, ssl.create_default_context(), server_hostname=host, https_compatible=True
    )
    try:
        await secured.do_handshake()
    except BaseException:  # cancelled or not, nobody else closes it
        await trio.aclose_forcefully(stream)
        raise
    return secured


def _cause(error: BaseException) -> str:
    """Why, in the words of the system: Trio tells only that all addresses failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_cause(each) for each in error.exceptions))
    # gaierror has numbers of its own, which are negative.
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error)
