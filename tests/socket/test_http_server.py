"""The application on hypercorn, over real loopback sockets."""

import errno
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import trio

from mprism.http import server
from mprism.http.server import HttpAddresses, ListenError, run_http
from mprism.settings import HttpSettings
from mprism.state import BrokerStatus, CollectorState, FeedState, FeedStatus, Phase
from tests.unit.http_states import running_world

ANY_PORTS = HttpSettings(host="127.0.0.1", port=0, metrics_port=0)


def running_state() -> CollectorState:
    return running_world().state


@asynccontextmanager
async def served(
    state: CollectorState, settings: HttpSettings = ANY_PORTS
) -> AsyncIterator[tuple[HttpAddresses, trio.Event]]:
    """The server, and what stops it; it has ended when this ends."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(run_http, state, settings, stop)
        try:
            yield addresses, stop
        finally:
            stop.set()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


async def connected(address: str) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(address.rpartition(":")[2]))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


async def test_both_ports_serve_the_same() -> None:
    async with served(running_state()) as (addresses, _), httpx.AsyncClient() as client:
        assert addresses.http != addresses.metrics
        for address in addresses:
            for path in ("/health", "/health/live", "/health/ready", "/status"):
                response = await client.get(address + path)
                assert response.headers["content-type"] == "application/json"
                assert response.json()
            assert (await client.get(address + "/")).json()["name"] == "mprism"
            assert (await client.get(address + "/connections")).json()["nats"]["connected"]
            assert "marketprism_broker_up 1.0" in (await client.get(address + "/metrics")).text


async def test_answers_follow_the_state_while_it_changes() -> None:
    state = CollectorState(version="1", configuration={})
    settings = HttpSettings(port=0, metrics_port=0, grace_seconds=0)
    async with served(state, settings) as (addresses, _), httpx.AsyncClient() as client:

        async def codes() -> tuple[str, int, int, int]:
            health = await client.get(addresses.http + "/health")
            ready = await client.get(addresses.http + "/health/ready")
            live = await client.get(addresses.http + "/health/live")
            return (
                health.json()["status"],
                health.status_code,
                ready.status_code,
                live.status_code,
            )

        assert await codes() == ("degraded", 200, 503, 200)  # starting

        feed = FeedState("binance_spot", "binance_spot", "wss://x.test")
        state.feeds[feed.name] = feed
        feed.enter(FeedStatus.LIVE)
        feed.last_data_at = state.clock()
        state.broker.enter(BrokerStatus.CONNECTED)
        state.broker.connects = 1
        state.enter(Phase.RUNNING)
        assert await codes() == ("healthy", 200, 200, 200)

        feed.enter(FeedStatus.REFUSED, "403")
        assert await codes() == ("unhealthy", 503, 503, 200)  # the only feed

        feed.enter(FeedStatus.LIVE)
        state.broker.enter(BrokerStatus.AWAY, "connection refused")
        assert await codes() == ("unhealthy", 503, 503, 200)

        state.broker.enter(BrokerStatus.CONNECTED)
        state.enter(Phase.STOPPING)
        assert await codes() == ("degraded", 200, 503, 200)


async def test_head_and_unknown_paths_over_the_wire() -> None:
    async with served(running_state()) as (addresses, _), httpx.AsyncClient() as client:
        head = await client.head(addresses.http + "/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 1_000
        assert (await client.get(addresses.http + "/nothing")).status_code == 404
        assert (await client.post(addresses.http + "/health")).headers["allow"] == "GET, HEAD"
        assert "server" not in head.headers


async def test_equal_ports_are_bound_once() -> None:
    port = free_port()
    settings = HttpSettings(port=port, metrics_port=port)
    async with served(running_state(), settings) as (addresses, _):
        assert addresses.http == addresses.metrics == f"http://127.0.0.1:{port}"


async def test_an_ipv6_address_is_written_with_brackets() -> None:
    settings = HttpSettings(host="::1", port=0, metrics_port=0)
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with served(running_state(), settings) as (addresses, _), httpx.AsyncClient() as client:
        assert addresses.http.startswith("http://[::1]:")
        assert (await client.get(addresses.http + "/health/live")).status_code == 200


async def test_a_health_port_in_use_is_named_with_its_setting(taken: int) -> None:
    settings = HttpSettings(port=taken, metrics_port=0)
    with pytest.raises(ListenError) as caught:
        await run_http(running_state(), settings, trio.Event())
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1 port {taken}: another process has it. "
        "Set http.port or HEALTH_CHECK_PORT to a free port; 0 takes any"
    )


async def test_a_metrics_port_in_use_is_named_and_the_other_is_let_go(taken: int) -> None:
    port = free_port()
    settings = HttpSettings(port=port, metrics_port=taken)
    with pytest.raises(ListenError, match=f"port {taken}: .* http.metrics_port or METRICS_PORT"):
        await run_http(running_state(), settings, trio.Event())
    socket.create_server(("127.0.0.1", port)).close()


async def test_an_address_of_another_machine_is_refused() -> None:
    settings = HttpSettings(host="192.0.2.1", port=0, metrics_port=0)  # RFC 5737: nobody's
    with pytest.raises(ListenError) as caught:
        await run_http(running_state(), settings, trio.Event())
    assert str(caught.value) == (
        "cannot listen on 192.0.2.1 port 0: Cannot assign requested address. "
        "Set http.host or HTTP_HOST to an address of this machine"
    )


@pytest.mark.parametrize(
    ("error", "explained"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "not permitted. Set http.port or HEALTH_CHECK_PORT to a port above 1023",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known. Set http.host or HTTP_HOST to an address of this machine",
        ),
    ],
)
def test_other_failures_to_listen_are_explained(
    monkeypatch: pytest.MonkeyPatch, error: OSError, explained: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_server", fail)
    with pytest.raises(ListenError) as caught:
        trio.run(run_http, running_state(), HttpSettings(host="h", port=80), trio.Event())
    assert str(caught.value) == f"cannot listen on h port 80: {explained}"


async def test_a_stop_closes_both_ports() -> None:
    async with served(running_state()) as (addresses, stop):
        async with httpx.AsyncClient() as client:
            assert (await client.get(addresses.http + "/health/live")).status_code == 200
        stop.set()
    for address in addresses:
        with pytest.raises(OSError, match="all attempts to connect"):
            await connected(address)


async def test_a_stop_does_not_wait_for_idle_or_mute_clients() -> None:
    async with httpx.AsyncClient() as idle, AsyncExitStack() as held:
        with trio.fail_after(10):
            async with served(running_state()) as (addresses, _):
                await idle.get(addresses.http + "/health/live")
                mute = await held.enter_async_context(await connected(addresses.http))
                await mute.send_all(b"GET /heal")


async def test_a_stop_does_not_wait_for_a_client_that_reads_nothing() -> None:
    """hypercorn sends shielded from cancellation; the limit is on the socket."""
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("the limit on unread answers needs TCP_USER_TIMEOUT")
    state = running_state()
    state.configuration = {"larger than any socket's buffer": "x" * 30_000_000}
    async with AsyncExitStack() as held:
        with trio.fail_after(15):
            async with served(state) as (addresses, _):
                deaf = await held.enter_async_context(await connected(addresses.http))
                await deaf.send_all(b"GET /status HTTP/1.1\r\nhost: x\r\n\r\n")
                assert await deaf.receive_some(1) == b"H"  # so the server is sending


async def test_cancelling_closes_at_once() -> None:
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            addresses = await nursery.start(run_http, running_state(), ANY_PORTS, trio.Event())
            nursery.cancel_scope.cancel()
    with pytest.raises(OSError, match="all attempts to connect"):
        await connected(addresses.http)


async def test_an_interrupt_that_hypercorn_swallows_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def swallow(*_: object, task_status: trio.TaskStatus[list[str]], **__: object) -> None:
        task_status.started([])

    monkeypatch.setattr(server, "serve", swallow)
    with pytest.RaisesGroup(KeyboardInterrupt):
        await run_http(running_state(), ANY_PORTS, trio.Event())


async def test_a_bug_in_an_answer_is_500_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = running_state()
    state.configuration = {"cannot be JSON": object()}
    async with served(state) as (addresses, _), httpx.AsyncClient() as client:
        assert (await client.get(addresses.http + "/status")).status_code == 500
        assert (await client.get(addresses.http + "/health")).status_code == 200
    assert [
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    ] == ["Error in ASGI Framework"]


async def test_serving_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with served(running_state()) as (addresses, _), httpx.AsyncClient() as client:
        await client.get(addresses.http + "/health")
    assert [r for r in caplog.records if r.name.startswith("hypercorn")] == []


async def test_rates_are_counted_from_the_start_of_serving() -> None:
    world = running_world()
    async with served(world.state) as (addresses, _), httpx.AsyncClient() as client:
        world.state.publisher.acknowledged += 50
        world.clock.now += 10
        status = (await client.get(addresses.http + "/status")).json()
    assert status["rates_over_seconds"] == 10.0
    assert status["publisher"]["acknowledged_per_second"] == 5.0
