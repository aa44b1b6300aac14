"""Plain WebSocket clients for tests of the simulator."""

import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto import ConnectionType, WSConnection
from wsproto.events import Event, RejectConnection, Request


class Client:
    """Reads JSON messages and asks questions on one connection."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection

    async def read(self) -> Any:
        """The next message, decoded."""
        return msgspec.json.decode(await self.connection.get_message())

    async def read_raw(self) -> str | bytes:
        """The next message as it came: text, or bytes if it was binary."""
        message: str | bytes = await self.connection.get_message()
        return message

    async def request(self, method: str, *params: object, id_: object = 1) -> None:
        """Send a request without waiting for its answer."""
        message = {"method": method, "params": params, "id": id_}
        await self.connection.send_message(msgspec.json.encode(message).decode())

    async def read_until_listed(self) -> list[str | bytes]:
        """Every message up to the answer of a LIST_SUBSCRIPTIONS that is sent now."""
        await self.request("LIST_SUBSCRIPTIONS", id_="end")
        messages: list[str | bytes] = []
        while True:
            message = await self.read_raw()
            if isinstance(message, str) and message.endswith('"id":"end"}'):
                return messages
            messages.append(message)

    async def read_until_closed(self) -> tuple[list[str | bytes], int]:
        """Every message up to the end of the connection, and the code of the end."""
        messages: list[str | bytes] = []
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - reading is all of it
            while True:
                messages.append(await self.read_raw())
        assert closed.value.reason is not None
        return messages, closed.value.reason.code

    async def read_data(self) -> list[Any]:
        """The same, decoded."""
        return [msgspec.json.decode(message) for message in await self.read_until_listed()]


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Client]:
    """Open a connection to this URL and close it at the end."""
    host, target = _split(url)
    # trio-websocket leaves its socket open when the server ends the connection: own it here.
    async with await trio.open_tcp_stream(*host) as stream, trio.open_nursery() as nursery:
        # A full queue would keep the client from answering pings.
        connection = await wrap_client_stream(
            nursery, stream, host[0], target, message_queue_size=10_000
        )
        async with connection:
            yield Client(connection)
        # After a bad frame its reader would wait for ever without telling the server.
        nursery.cancel_scope.cancel()


def _split(url: str) -> tuple[tuple[str, int], str]:
    parts = urlsplit(url)
    return ("127.0.0.1", parts.port or 0), url.partition(parts.netloc)[2]


class RawClient:
    """A client that answers nothing by itself, for what a full client hides."""

    def __init__(self, transport: trio.SocketStream) -> None:
        self._transport = transport
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()

    async def send(self, event: Event) -> None:
        """Send one event."""
        await self._transport.send_all(self._protocol.send(event))

    async def send_bytes(self, data: bytes) -> None:
        """Send anything at all."""
        await self._transport.send_all(data)

    def reset(self) -> None:
        """Leave without an orderly end, so that the server's next write fails."""
        linger = struct.pack("ii", 1, 0)
        self._transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.socket.close()

    async def next_event(self) -> Event | None:
        """The next event; None when the server has ended the connection."""
        while not self._events:
            data = await self._transport.receive_some()
            if not data:
                return None
            self._protocol.receive_data(bytes(data))
            self._events.extend(self._protocol.events())
        return self._events.popleft()

    async def next_of(self, *kinds: type[Event]) -> Event | None:
        """The next event of these kinds; the others are thrown away."""
        while (event := await self.next_event()) is not None:
            if isinstance(event, kinds):
                return event
        return None


@asynccontextmanager
async def connect_raw(url: str) -> AsyncIterator[RawClient]:
    """Begin a handshake with this URL; its outcome is the first event."""
    host, target = _split(url)
    async with await trio.open_tcp_stream(*host) as transport:
        client = RawClient(transport)
        await client.send(Request(host=host[0], target=target))
        yield client


async def refusal(url: str) -> int:
    """The status with which a handshake is refused. Fails if it is not."""
    async with connect_raw(url) as client:
        event = await client.next_event()
        assert isinstance(event, RejectConnection), event
        return event.status_code
