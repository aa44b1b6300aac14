"""What transport.py adds to trio-websocket, and what it leans on, over real sockets."""

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket
from wsproto.events import BytesMessage, TextMessage

from mprism.feeds import transport
from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.transport import FrameConnection, open_websocket

Serve = Callable[[WebSocketConnection], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Serve, max_frame_bytes: int = 100_000) -> AsyncIterator[FrameConnection]:
    """A connection to a server that does `serve` with it."""

    async def accept(request: WebSocketRequest) -> None:
        await serve(await request.accept())

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, accept, "127.0.0.1", 0, None)
        async with open_websocket(
            f"ws://127.0.0.1:{server.port}/",
            open_timeout_seconds=5,
            max_frame_bytes=max_frame_bytes,
        ) as connection:
            yield connection
        nursery.cancel_scope.cancel()


async def until_closed(connection: FrameConnection) -> tuple[list[str | bytes | bytearray], str]:
    """All frames to the end, and what the end is said to be."""
    frames: list[str | bytes | bytearray] = []
    while True:
        try:
            more, _ = await connection.receive()
        except NetworkFault as fault:
            return frames, str(fault)
        frames += more


async def test_frames_of_one_read_come_as_one_list() -> None:
    async def serve(ws: WebSocketConnection) -> None:
        data = b"".join(ws._wsproto.send(TextMessage(f"frame {n}")) for n in range(50))
        await ws._stream.send_all(data)
        await ws.aclose(1000)

    async with connected(serve) as connection:
        frames, first_ns = await connection.receive()
    assert frames == [f"frame {n}" for n in range(50)]
    assert first_ns > 0


async def test_everything_before_the_close_is_handed_over() -> None:
    async def serve(ws: WebSocketConnection) -> None:
        await ws.send_message("last")
        await ws.aclose(1001, "maintenance")

    async with connected(serve) as connection:
        await connection.ended.wait()
        assert await until_closed(connection) == (["last"], "closed with 1001 (maintenance)")


async def test_everything_before_a_reset_is_handed_over() -> None:
    async def serve(ws: WebSocketConnection) -> None:
        await ws.send_message("last")
        await ws.ping(b"seen")  # a reset throws away what the peer's kernel still holds
        linger = struct.pack("ii", 1, 0)
        assert isinstance(ws._stream, trio.SocketStream)
        ws._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        ws._stream.socket.close()

    async with connected(serve) as connection:
        frames, reason = await until_closed(connection)
    assert frames == ["last"]
    assert "1006" in reason


async def test_parts_are_joined_and_kinds_kept() -> None:
    async def serve(ws: WebSocketConnection) -> None:
        await ws._send(TextMessage("äö", message_finished=False))
        await ws._send(TextMessage("ü", message_finished=True))
        await ws._send(BytesMessage(b"\x00", message_finished=False))
        await ws._send(BytesMessage(b"\x01", message_finished=True))
        await ws.aclose()

    async with connected(serve) as connection:
        frames, _ = await until_closed(connection)
    assert frames == ["äöü", b"\x00\x01"]


async def test_an_oversized_frame_is_skipped_and_the_connection_lives() -> None:
    async def serve(ws: WebSocketConnection) -> None:
        await ws.send_message("x" * 100_001)
        await ws._send(TextMessage("y" * 60_000, message_finished=False))
        await ws._send(TextMessage("y" * 60_000, message_finished=True))
        await ws.send_message("x" * 100_000)
        await ws.aclose()

    async with connected(serve) as connection:
        frames, _ = await until_closed(connection)
    assert frames == ["x" * 100_000]
    assert connection.oversized == 2


async def test_bad_utf8_ends_the_connection_with_its_reason() -> None:
    async def serve(ws: WebSocketConnection) -> None:
        await ws.send_message("good")
        await ws._stream.send_all(b"\x81\x02\xff\xfe")
        with pytest.raises(ConnectionClosed):
            await ws.get_message()

    async with connected(serve) as connection:
        frames, reason = await until_closed(connection)
    assert frames == ["good"]
    assert "1007" in reason


async def test_a_cancelled_connection_is_closed_by_the_handshake() -> None:
    """As at every stop: without its reader the close would wait for its limit."""
    closed: list[object] = []

    async def serve(ws: WebSocketConnection) -> None:
        with pytest.raises(ConnectionClosed) as end:
            await ws.get_message()
        closed.append(end.value.reason)

    async def accept(request: WebSocketRequest) -> None:
        await serve(await request.accept())

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, accept, "127.0.0.1", 0, None)
        with trio.CancelScope() as scope, trio.fail_after(1):
            async with open_websocket(
                f"ws://127.0.0.1:{server.port}/", open_timeout_seconds=5, max_frame_bytes=1_000
            ) as connection:
                scope.cancel()
                await connection.receive()
        nursery.cancel_scope.cancel()
    assert [getattr(reason, "code", None) for reason in closed] == [1000]


async def test_pings_are_answered_with_their_payload() -> None:
    answered = trio.Event()

    async def serve(ws: WebSocketConnection) -> None:
        await ws.ping(b"1700000000")
        answered.set()

    async with connected(serve):
        with trio.fail_after(5):
            await answered.wait()


async def test_a_full_list_stops_reading_and_drops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_MAX_FRAMES", 10)
    sent = trio.Event()

    async def serve(ws: WebSocketConnection) -> None:
        for n in range(100):
            await ws.send_message(f"{n}")
        sent.set()
        await ws.aclose()

    async with connected(serve) as connection:
        await sent.wait()
        await trio.testing.wait_all_tasks_blocked(0.05)
        frames, _ = await connection.receive()
        assert frames == [f"{n}" for n in range(10)]
        rest, _ = await until_closed(connection)
    assert rest == [f"{n}" for n in range(10, 100)]


async def test_a_connection_with_a_full_list_ends_when_it_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As at a stop of an overloaded collector: nobody will take the list any more."""
    monkeypatch.setattr(transport, "_MAX_FRAMES", 10)
    monkeypatch.setattr(transport, "_CLOSE_SECONDS", 0.05)
    sent = trio.Event()

    async def serve(ws: WebSocketConnection) -> None:
        for n in range(100):
            await ws.send_message(f"{n}")
        sent.set()
        await trio.sleep_forever()

    scope, ended = trio.CancelScope(), trio.Event()
    connections: list[FrameConnection] = []

    async def read() -> None:
        with scope:
            async with connected(serve) as connection:
                connections.append(connection)
                await trio.sleep_forever()
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await sent.wait()
        await trio.testing.wait_all_tasks_blocked(0.05)
        scope.cancel()
        try:
            with trio.fail_after(5):
                await ended.wait()
        finally:
            connections[0]._reading.cancel()  # a test that fails must end as well


@pytest.mark.parametrize(
    ("status", "failure"),
    [(429, Throttled), (418, Throttled), (403, Refused), (451, Refused), (503, NetworkFault)],
)
async def test_a_refused_handshake_has_its_class(status: int, failure: type[FeedError]) -> None:
    async def refuse(request: WebSocketRequest) -> None:
        await request.reject(status, extra_headers=[(b"Retry-After", b"7")])

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, refuse, "127.0.0.1", 0, None)
        with pytest.RaisesGroup(failure, flatten_subgroups=True) as caught:
            async with open_websocket(
                f"ws://127.0.0.1:{server.port}/", open_timeout_seconds=5, max_frame_bytes=1_000
            ):
                pytest.fail("the handshake was refused")
        nursery.cancel_scope.cancel()
    (error,) = caught.value.exceptions
    assert str(status) in str(error)
    assert getattr(error, "retry_after_seconds", 7) == 7


async def test_nobody_listening_is_a_network_fault() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.RaisesGroup(
        pytest.RaisesExc(NetworkFault, match=f":{port}: Connection refused"),
        flatten_subgroups=True,
    ):
        async with open_websocket(
            f"ws://127.0.0.1:{port}/", open_timeout_seconds=5, max_frame_bytes=1_000
        ):
            pytest.fail("nobody listens")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "handshake"),
        (b"", "handshake"),
        (None, "not connected after 0.2 s"),
    ],
)
async def test_a_server_that_speaks_something_else(answer: bytes | None, text: str) -> None:
    async def speak(stream: trio.SocketStream) -> None:
        await stream.receive_some(1_000)
        if answer is None:
            await trio.sleep_forever()
        elif answer:
            await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, speak, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.RaisesGroup(pytest.RaisesExc(NetworkFault, match=text), flatten_subgroups=True):
            async with open_websocket(
                f"ws://127.0.0.1:{port}/", open_timeout_seconds=0.2, max_frame_bytes=1_000
            ):
                pytest.fail("no WebSocket there")
        nursery.cancel_scope.cancel()
