"""A loopback USD-M exchange that is cheap: it sends frames that were prepared beforehand.

It answers the handshake, acknowledges SUBSCRIBE, and answers REST from the session. The first
update of each book is sent with the acknowledgement, the rest by `send`, on the connections
that have subscribed, in the order of the frames as far as one connection is concerned.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import parse_qs, urlsplit

import msgspec
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage
from wsproto.utilities import LocalProtocolError

from benchmarks.laps import Frame
from benchmarks.source import Source
from mprism.simulator.wire import frame as websocket_frame


def kind_of(stream: str) -> str:
    """The kind of a stream, such as `depth@100ms`; a kind has one connection."""
    return stream.partition("@")[2]


Burst = list[tuple[str, bytes]]
"""Bytes for each connection, which is named by the kind of its streams."""


class _Subscribe(msgspec.Struct):
    params: list[str]
    id: int


class LoopbackExchange:
    """Made by `open_exchange`; serves any number of connections one after the other."""

    def __init__(self, source: Source, lead_in: Sequence[Frame]) -> None:
        self.port = 0
        self.depth_requests = 0
        self._source = source
        self._lead_in = lead_in
        self._connections: dict[str, trio.SocketStream] = {}  # by kind of stream

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, REST or WebSocket, until the client ends it."""
        async with stream:
            try:
                head = await _read_head(stream)
                if b"upgrade: websocket" in head.lower():
                    await self._serve_websocket(stream, head)
                else:
                    await self._serve_rest(stream, head)
            except trio.BrokenResourceError:
                pass  # whoever has measured enough may go without a word

    async def _serve_rest(self, stream: trio.SocketStream, head: bytes) -> None:
        while head:
            target = head.split(b" ", 2)[1].decode()
            body = self._answer(target)
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            head = await _read_head(stream)

    def _answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path.endswith("/depth"):
            self.depth_requests += 1
            return self._source.snapshots[parse_qs(parts.query)["symbol"][0]]
        return self._source.exchange_info

    async def _serve_websocket(self, stream: trio.SocketStream, head: bytes) -> None:
        protocol = WSConnection(ConnectionType.SERVER)
        data = head
        while data:
            protocol.receive_data(data)
            for event in protocol.events():
                match event:
                    case Request():
                        await stream.send_all(protocol.send(AcceptConnection()))
                    case TextMessage():
                        await self._subscribe(stream, event.data)
                    case Ping() | CloseConnection():
                        try:
                            await stream.send_all(protocol.send(event.response()))
                        except LocalProtocolError:
                            return
            data = await stream.receive_some(65_536)

    async def _subscribe(self, stream: trio.SocketStream, text: str) -> None:
        request = msgspec.json.decode(text, type=_Subscribe)
        await stream.send_all(websocket_frame(b'{"result":null,"id":%d}' % request.id))
        for name in request.params:
            self._connections[kind_of(name)] = stream
        for frame in self._lead_in:
            if frame.stream in request.params:
                await stream.send_all(websocket_frame(frame.text))

    async def send(self, bursts: Iterable[Burst], seconds_between: float) -> None:
        """Send what was prepared, bursts this many seconds apart, 0: as fast as it is read."""
        start = trio.current_time()
        for number, burst in enumerate(bursts):
            if seconds_between:
                await trio.sleep_until(start + number * seconds_between)
            for kind, data in burst:
                await self._connections[kind].send_all(data)


def prepare(frames: Sequence[Frame], per_burst: int) -> list[Burst]:
    """Frames as bursts of WebSocket frames; a burst is written at once on each connection."""
    return [_burst(frames[at : at + per_burst]) for at in range(0, len(frames), per_burst)]


def _burst(frames: Iterable[Frame]) -> Burst:
    parts: dict[str, list[bytes]] = {}
    for frame in frames:
        parts.setdefault(kind_of(frame.stream), []).append(websocket_frame(frame.text))
    return [(kind, b"".join(written)) for kind, written in parts.items()]


async def _read_head(stream: trio.SocketStream) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = await stream.receive_some(65_536)
        if not data:
            return b""
        head += data
    return head


@asynccontextmanager
async def open_exchange(
    source: Source, lead_in: Sequence[Frame]
) -> AsyncIterator[LoopbackExchange]:
    """An exchange on a free port of the loopback interface."""
    exchange = LoopbackExchange(source, lead_in)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, exchange.serve, 0, host="127.0.0.1")
        listeners: list[trio.SocketListener] = await nursery.start(serve)
        exchange.port = listeners[0].socket.getsockname()[1]
        yield exchange
        nursery.cancel_scope.cancel()
