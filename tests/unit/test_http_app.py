"""The ASGI application, called as a server calls it, without a server."""

from typing import Any

import pytest
import trio

from mprism.http.app import PATHS
from mprism.state import BrokerStatus, FeedStatus, Phase
from tests.unit.http_calls import app_of, call
from tests.unit.http_states import World, running_world, starting_world


@pytest.mark.parametrize("path", PATHS)
async def test_each_path_answers_get_and_head_alike(path: str) -> None:
    app = app_of(running_world())
    got = await call(app, path)
    head = await call(app, path, "HEAD")
    assert (got.status, head.status) == (200, 200)
    assert got.headers[b"content-length"] == str(len(got.body)).encode()
    assert head.body == b""
    for name in (b"content-type", b"cache-control"):
        assert got.headers[name] == head.headers[name]
    assert got.headers[b"cache-control"] == b"no-store"
    kind = b"text/plain" if path == "/metrics" else b"application/json"
    assert got.headers[b"content-type"].startswith(kind)


async def test_json_is_indented_and_ends_with_a_line() -> None:
    response = await call(app_of(running_world()), "/health/live")
    assert response.body == (
        b'{\n  "alive": true,\n  "phase": "running",\n  "uptime_seconds": 5.0\n}\n'
    )


async def test_an_unknown_path_names_the_known_ones() -> None:
    response = await call(app_of(running_world()), "/healthz")
    assert response.status == 404
    assert response.json() == {"error": "no such path: /healthz", "paths": list(PATHS)}


async def test_a_slash_at_the_end_does_not_matter() -> None:
    assert (await call(app_of(running_world()), "/health/")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused_with_the_allowed_ones(method: str) -> None:
    response = await call(app_of(running_world()), "/health", method)
    assert response.status == 405
    assert response.headers[b"allow"] == b"GET, HEAD"
    assert response.json() == {"error": f"/health answers GET, HEAD only, not {method}"}


async def test_the_index_names_every_path() -> None:
    app = app_of(running_world())
    index = (await call(app, "/")).json()
    assert (index["name"], index["version"]) == ("mprism", "1.2.3")
    for path in index["paths"]:
        assert (await call(app, path)).status == 200


def one_feed_down(world: World) -> None:
    world.feed().enter(FeedStatus.BACKING_OFF, "connection reset")
    world.pass_time(11)
    world.speak()


def broker_down(world: World) -> None:
    world.state.broker.enter(BrokerStatus.AWAY, "connection refused")
    world.pass_time(11)


def stopping(world: World) -> None:
    world.state.enter(Phase.STOPPING)


@pytest.mark.parametrize(
    ("happen", "verdict", "health", "ready"),
    [
        (lambda _: None, "healthy", 200, 200),
        (one_feed_down, "degraded", 200, 503),
        (broker_down, "unhealthy", 503, 503),
        (stopping, "degraded", 200, 503),
    ],
)
async def test_codes_follow_the_state(happen: Any, verdict: str, health: int, ready: int) -> None:
    world = running_world()
    happen(world)
    app = app_of(world)
    response = await call(app, "/health")
    assert (response.status, response.json()["status"]) == (health, verdict)
    assert (await call(app, "/health/ready")).status == ready
    assert (await call(app, "/health/live")).status == 200


async def test_codes_while_starting() -> None:
    app = app_of(starting_world())
    assert (await call(app, "/health")).json()["status"] == "degraded"
    response = await call(app, "/health/ready")
    assert response.status == 503
    assert response.json() == {
        "ready": False,
        "phase": "starting",
        "reasons": [
            "starting",
            "feed:binance_spot: starting",
            "feed:binance_derivatives: starting",
            "broker: connecting",
        ],
    }


async def test_health_lists_checks_and_coverage() -> None:
    health = (await call(app_of(running_world()), "/health")).json()
    assert health["phase"] == "running"
    assert health["time"] == "2023-11-14T22:13:25.000Z"
    assert {
        "name": "phase",
        "status": "healthy",
        "reason": "running",
        "since": "2023-11-14T22:13:24.000Z",
        "for_seconds": 1.0,
    } in health["checks"]
    assert {
        "exchange": "binance_spot",
        "market_type": "spot",
        "data_type": "trade",
        "last_event": "2023-11-14T22:13:24.000Z",
        "age_seconds": 1.0,
        "events": 2,
        "published": 2,
    } in health["coverage"]


async def test_metrics_heed_the_accept_header() -> None:
    app = app_of(running_world())
    accept = (b"accept", b"application/openmetrics-text;version=1.0.0")
    response = await call(app, "/metrics", headers=((b"host", b"x"), accept))
    assert response.headers[b"content-type"].startswith(b"application/openmetrics-text")
    assert response.body.endswith(b"# EOF\n")
    response = await call(app, "/metrics")
    assert response.headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"


async def test_the_lifespan_is_answered_and_ends() -> None:
    app = app_of(running_world())
    ask, asked = trio.open_memory_channel[Any](1)
    tell, told = trio.open_memory_channel[Any](1)
    async with trio.open_nursery() as nursery:
        scope: Any = {"type": "lifespan"}
        nursery.start_soon(app, scope, asked.receive, tell.send)
        for event in ("startup", "shutdown"):
            await ask.send({"type": f"lifespan.{event}"})
            assert await told.receive() == {"type": f"lifespan.{event}.complete"}


async def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope: Any = {"type": "websocket", "path": "/status", "headers": ()}
    await app_of(running_world())(scope, receive, send)
    assert [event["type"] for event in sent] == ["websocket.close"]
