"""The health check's client, against the real server and against things that are not one."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import trio

from mprism.http.probe import Probe, probe, url_of
from mprism.http.server import run_http
from mprism.settings import HttpSettings
from mprism.state import BrokerStatus, FeedStatus, Phase
from tests.unit.http_states import World, running_world

ANY_PORTS = HttpSettings(port=0, metrics_port=0)


async def ask(world: World, path: str = "") -> Probe:
    """What the probe makes of a server with that state."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(run_http, world.state, ANY_PORTS, stop)
        answer = await trio.to_thread.run_sync(probe, addresses.http + path)
        stop.set()
    return answer


async def test_a_healthy_collector() -> None:
    assert await ask(running_world()) == Probe(0, "healthy")


async def test_a_degraded_collector_is_left_alone() -> None:
    world = running_world()
    world.feed().enter(FeedStatus.REFUSED, "403 Forbidden")
    assert await ask(world) == Probe(0, "degraded; feed:binance_spot: refused; 403 Forbidden")


async def test_an_unhealthy_collector() -> None:
    world = running_world()
    world.state.broker.enter(BrokerStatus.AWAY, "connection refused")
    world.clock.now += 11
    assert await ask(world) == Probe(1, "unhealthy; broker: away; connection refused")


async def test_the_other_paths() -> None:
    world = running_world()
    assert await ask(world, "/health/ready") == Probe(0, "ready")
    assert await ask(world, "/health/live/") == Probe(0, "alive")
    world.state.enter(Phase.STOPPING)
    assert await ask(world, "/health/ready") == Probe(1, "not ready; stopping")


@pytest.mark.parametrize("path", ["/status/x", "/status", "/metrics"])
async def test_an_answer_about_something_else_is_not_good(path: str) -> None:
    assert (await ask(running_world(), path)).exit_code == 1


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    answer = probe(f"http://127.0.0.1:{port}")
    assert answer.exit_code == 1
    assert answer.line.startswith(f"no answer from http://127.0.0.1:{port}: ")
    assert "refused" in answer.line


def test_somebody_who_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        answer = probe(f"http://127.0.0.1:{sock.getsockname()[1]}", timeout_seconds=0.05)
    assert answer.exit_code == 1
    assert answer.line.endswith("timed out")


@contextmanager
def somebody(reply: bytes) -> Iterator[str]:
    """A server that gives one reply, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(reply)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        http(b"<html></html>"),
        http(b"{}"),
        http(b"[1, 2]"),
        http(b'{"status": 7}'),
        http(b"\xff\xfe"),
    ],
)
def test_somebody_else(reply: bytes) -> None:
    with somebody(reply) as url:
        answer = probe(url)
    assert answer.exit_code == 1
    assert url in answer.line


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8086", "https://127.0.0.1", "http://", "http://h:port", "http://h/a b"]
)
def test_what_is_not_an_address(url: str) -> None:
    assert probe(url).exit_code == 1


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with somebody(http(b'{"status": "healthy"}')) as url:
        assert probe(url) == Probe(0, "healthy")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8086"),
        ("0.0.0.0", "http://127.0.0.1:8086"),
        ("::", "http://[::1]:8086"),
        ("10.1.2.3", "http://10.1.2.3:8086"),
    ],
)
def test_where_a_collector_is_found(host: str, url: str) -> None:
    assert url_of(HttpSettings(host=host)) == url
