"""The ASGI application, called as a server calls it, without a server."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import trio

from mprism.http.app import PATHS, HttpApp
from mprism.state import BrokerStatus, FeedStatus, Phase
from tests.unit.http_states import World, running_world, starting_world


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def app_of(world: World) -> HttpApp:
    return HttpApp(world.state, world.settings, world.history)


async def call(
    app: HttpApp, path: str, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Response:
    """One request, as ASGI 3.0 hands it over."""
    events: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        events.append(event)

    scope: Any = {"type": "http", "method": method, "path": path, "headers": headers}
    await app(scope, receive, send)
    start, body = events
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    assert body["more_body"] is False
    return Response(start["status"], dict(start["headers"]), body["body"])


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


async def test_status_says_all_of_a_feed() -> None:
    world = running_world()
    feed = world.feed()
    feed.books_live |= {"ETH-USDT", "BTC-USDT"}
    feed.books_out["BNB-USDT"] = "expected 7, got 9"
    feed.gaps["trade"] = 3
    feed.rejected["malformed"] = 1
    feed.duplicates = 2
    feed.resyncs = 4
    feed.failed("403 Forbidden")
    feed.enter(FeedStatus.REFUSED, "403 Forbidden")
    feed.next_attempt_at = world.clock() + 300
    world.pass_time(5)
    status = (await call(app_of(world), "/status")).json()
    assert status["feeds"][0] == {
        "name": "binance_spot",
        "exchange": "binance_spot",
        "state": "refused",
        "since": "2023-11-14T22:13:25.000Z",
        "for_seconds": 5.0,
        "reason": "403 Forbidden",
        "failed_attempts": 1,
        "next_attempt": "2023-11-14T22:18:25.000Z",
        "next_attempt_in_seconds": 295.0,
        "breaker_open": True,
        "last_data_age_seconds": 6.0,
        "frames": 2,
        "frames_per_second": 0.2,
        "received_bytes": 400,
        "bytes_per_second": 40.0,
        "duplicates": 2,
        "gaps": {"trade": 3},
        "rejected": {"malformed": 1},
        "resyncs": 4,
        "books_live": ["BTC-USDT", "ETH-USDT"],
        "books_out_of_sequence": {"BNB-USDT": "expected 7, got 9"},
    }
    assert status["rates_over_seconds"] == 10.0
    assert status["feeds"][1]["next_attempt"] is None
    assert status["feeds"][1]["breaker_open"] is False


async def test_an_attempt_that_is_past_is_not_announced() -> None:
    world = running_world()
    world.feed().next_attempt_at = world.clock()
    status = (await call(app_of(world), "/status")).json()
    assert status["feeds"][0]["next_attempt_in_seconds"] is None


async def test_status_says_all_of_the_delivery() -> None:
    world = running_world()
    publisher = world.state.publisher
    publisher.backlog_messages = 5
    publisher.backlog_bytes = 400
    publisher.oldest_recv_ns = int((world.clock() - 2) * 1e9)
    publisher.bursts_in_flight = 1
    publisher.messages_in_flight = 6
    publisher.bursts = 7
    publisher.resent = 8
    publisher.dropped["backlog_full", "trade"] = 9
    for milliseconds in (1, 1, 1, 40):
        publisher.latency.observe(milliseconds / 1_000)
    status = (await call(app_of(world), "/status")).json()
    latency = status["publisher"].pop("latency")
    assert status["publisher"] == {
        "backlog_messages": 5,
        "backlog_bytes": 400,
        "backlog_limit_bytes": 1_000,
        "oldest_wait_seconds": 2.0,
        "bursts_in_flight": 1,
        "messages_in_flight": 6,
        "bursts": 7,
        "acknowledged": 4,
        "acknowledged_per_second": 0.8,
        "resent": 8,
        "dropped": [{"reason": "backlog_full", "data_type": "trade", "messages": 9}],
    }
    assert latency["count"] == 4
    assert 1 <= latency["p50_ms"] <= 1.19
    assert latency["p99_ms"] == latency["max_ms"] == 40.0
    assert status["deliveries"][1] == {
        "exchange": "binance_spot",
        "market_type": "spot",
        "data_type": "trade",
        "received": 2,
        "received_per_second": 0.4,
        "published": 2,
        "published_per_second": 0.4,
        "lag_seconds": 1.025,
        "delay_seconds": 0.025,
    }


async def test_status_says_all_of_the_process() -> None:
    world = running_world()
    status = (await call(app_of(world), "/status")).json()
    assert (status["version"], status["phase"], status["health"]) == ("1.2.3", "running", "healthy")
    assert (status["started"], status["uptime_seconds"]) == ("2023-11-14T22:13:20.000Z", 5.0)
    assert status["configuration"] == {"nats": {"url": "***"}}
    assert status["memory"]["rss_bytes"] > 0
    assert status["memory"]["peak_rss_bytes"] > 0
    assert status["pid"] > 0
    assert status["python"].startswith("3.")
    assert "spool" not in status


async def test_what_has_not_come_yet_is_null() -> None:
    status = (await call(app_of(starting_world()), "/status")).json()
    assert status["publisher"]["latency"] == {
        "count": 0,
        "p50_ms": None,
        "p99_ms": None,
        "max_ms": None,
    }
    assert status["deliveries"] == []
    assert status["rates_over_seconds"] is None
    assert status["feeds"][0]["last_data_age_seconds"] is None


async def test_connections_tell_each_stream_and_the_broker() -> None:
    world = running_world()
    feed = world.feed()
    feed.connects = 4
    feed.failed("1006")
    world.feed("binance_derivatives").kind = "poller"
    world.state.broker.connects = 3
    world.state.broker.server_version = "2.15.0"
    world.state.broker.fast_ingest = True
    document = (await call(app_of(world), "/connections")).json()
    (websocket,) = document["websockets"]
    assert websocket == {
        "name": "binance_spot",
        "exchange": "binance_spot",
        "endpoint": "wss://binance_spot.test/stream",
        "connected": True,
        "state": "live",
        "since": "2023-11-14T22:13:24.000Z",
        "for_seconds": 1.0,
        "reason": None,
        "reconnects": 3,
        "failed_attempts": 1,
        "last_message": "2023-11-14T22:13:24.000Z",
        "last_message_age_seconds": 1.0,
        "last_error": "1006",
        "last_error_at": "2023-11-14T22:13:25.000Z",
        "streams": [
            {
                "name": name,
                "acknowledged": True,
                "messages": 1,
                "last_message": "2023-11-14T22:13:24.000Z",
                "last_message_age_seconds": 1.0,
            }
            for name in ("btcusdt@trade", "btcusdt@depth@100ms")
        ],
    }
    assert [poller["name"] for poller in document["pollers"]] == ["binance_derivatives"]
    assert document["nats"] == {
        "url": "nats://127.0.0.1:4222",
        "connected": True,
        "state": "connected",
        "since": "2023-11-14T22:13:24.000Z",
        "for_seconds": 1.0,
        "reason": None,
        "server_version": "2.15.0",
        "stream": "MARKET_DATA",
        "fast_ingest": True,
        "embedded": False,
        "data_folder": None,
        "reconnects": 2,
        "last_error": None,
        "last_error_at": None,
    }


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
