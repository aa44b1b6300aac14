"""Connections to a real nats-server, and how they end."""

import gc
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
import trio_asyncio
from structlog.testing import capture_logs

from mprism.nursery import stream as stream_module
from mprism.nursery.broker import BrokerAway, BrokerRefused
from mprism.nursery.jetstream import open_connection, open_loop
from mprism.nursery.stream import (
    API_SECONDS,
    open_stream,
    stream_info,
)
from mprism.nursery.wakeup import Wakeup
from tests.socket.nats_fixture import both_servers, open_nats
from tests.socket.streaming import (
    SETTINGS,
    burst,
    connected,
    outcomes_of,
    streaming,
)
from tests.unit.messages import message


@both_servers
async def test_the_end_of_the_server_is_noticed_at_once(tmp_path: Path, binary: Path) -> None:
    async with streaming(tmp_path, binary) as (server, connection, stream, wakeup):
        await server.kill()
        with trio.fail_after(2):
            with pytest.raises(BrokerAway, match="the connection has ended"):
                await outcomes_of(stream, wakeup, 1)
            with pytest.raises(BrokerAway, match="the connection has ended"):
                await stream_info(connection, "MARKET_DATA")
            with pytest.raises(BrokerAway, match="the connection has ended"):
                await stream.send([burst(1, [message(1)])])


async def test_a_request_that_waits_ends_with_the_server(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server, connected(server) as connection:
        server.pause()
        asked = trio.Event()

        async def ask() -> None:
            asked.set()
            with pytest.raises(BrokerAway, match="has ended"):
                await stream_info(connection, "MARKET_DATA")

        with trio.fail_after(API_SECONDS / 2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await asked.wait()
                await server.kill()


async def test_a_server_that_does_not_answer_is_away_and_can_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "API_SECONDS", 0.2)
    async with open_nats(tmp_path) as server:
        async with connected(server) as connection:
            wakeup = Wakeup()
            stream = await open_stream(connection, SETTINGS, wakeup)
            server.pause()
            # More than the sockets' buffers take: closing must not wait for it.
            await stream.send([burst(1, [message(n, size=500_000) for n in range(40)])])
            with pytest.raises(BrokerAway, match=r"no answer to .* within 0.2 s"):
                await stream_info(connection, "MARKET_DATA")
        gc.collect()  # a socket that was left open would warn
        server.resume()


async def test_connecting_to_nobody_says_why(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server, open_loop():
        await server.kill()
        with pytest.raises(BrokerAway, match=f"{server.url}.*Connect call failed"):
            async with open_connection(server.url, connect_timeout=5):
                pass


async def test_a_server_that_never_speaks_is_away(tmp_path: Path) -> None:
    async with open_loop():
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            port = listener.socket.getsockname()[1]
            with pytest.raises(BrokerAway, match="no connection within"):
                async with open_connection(f"nats://127.0.0.1:{port}", connect_timeout=0.2):
                    pass


async def test_something_that_is_no_nats_server_is_away(tmp_path: Path) -> None:
    async def speak_http(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with open_loop(), trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, speak_http, 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        port = listener.socket.getsockname()[1]
        with pytest.raises(BrokerAway, match="no connection"):
            async with open_connection(f"nats://127.0.0.1:{port}", connect_timeout=5):
                pass
        nursery.cancel_scope.cancel()


@both_servers
@pytest.mark.parametrize("login", ["", "user:wrong@"])
async def test_wrong_credentials_are_refused_and_not_shown(
    tmp_path: Path, binary: Path, login: str
) -> None:
    arguments = ("--user", "user", "--pass", "right")
    async with open_nats(tmp_path, binary, arguments=arguments) as server, open_loop():
        url = server.url.replace("nats://", f"nats://{login}")
        with pytest.raises(BrokerRefused, match=r"Authorization Violation") as refused:
            async with open_connection(url, connect_timeout=5):
                pass
        assert "wrong" not in str(refused.value)
        right = server.url.replace("nats://", "nats://user:right@")
        async with open_connection(right, connect_timeout=5) as connection:
            assert connection.url == server.url.replace("nats://", "nats://***@")


async def test_a_user_who_may_not_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text(
        "authorization { users: [{ user: u, password: p, permissions: "
        '{ publish: "trade-data.>", subscribe: "_INBOX.>" } }] }'
    )
    async with open_nats(tmp_path, arguments=("--config", str(config))) as server, open_loop():
        url = server.url.replace("nats://", "nats://u:p@")
        async with open_connection(url, connect_timeout=5) as connection:
            with pytest.raises(BrokerRefused, match="permissions violation"):
                await connection.request("$JS.API.STREAM.INFO.MARKET_DATA", b"", 0.5)


async def test_what_nats_py_leaves_behind_is_told_and_ends_nothing() -> None:
    with capture_logs() as logs:
        async with open_loop():
            loop = trio_asyncio.current_loop.get()
            error = AttributeError("of nats-py")
            loop.call_exception_handler({"message": "never retrieved", "exception": error})
            await trio.testing.wait_all_tasks_blocked()
    assert logs == [
        {
            "event": "stray asyncio error",
            "message": "never retrieved",
            "exc_info": error,
            "log_level": "error",
        }
    ]


@pytest.mark.parametrize(
    "greeting",
    [b"INFO []\r\n", b'INFO {"version":"dev"}\r\n', b"x" * 200_000, b"HTTP/1.1 400 Bad\r\n\r\n"],
    ids=["no object", "no version", "no line", "a web server"],
)
async def test_what_is_no_nats_server_is_away(greeting: bytes) -> None:
    async def greet(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(greeting)
            await stream.receive_some()

    async with open_loop(), trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, greet, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(BrokerAway):
            async with open_connection(f"nats://127.0.0.1:{port}", connect_timeout=1.0):
                pytest.fail("that is no NATS server")
        nursery.cancel_scope.cancel()
