"""What /status and /connections say, field by field."""

from mprism.state import FeedStatus
from tests.unit.http_calls import app_of, call
from tests.unit.http_states import running_world, starting_world


async def test_status_says_all_of_a_feed() -> None:
    world = running_world()
    feed = world.feed()
    feed.books_live |= {"ETH-USDT", "BTC-USDT"}
    feed.books_out["BNB-USDT"] = "expected 7, got 9"
    feed.gaps["trade"] = 3
    feed.rejected["malformed"] = 1
    feed.duplicates = 2
    feed.resyncs = 4
    world.clock.now -= 0.5
    feed.failed("403 Forbidden")
    feed.enter(FeedStatus.CONNECTING)
    world.clock.now += 1.5
    feed.enter(FeedStatus.REFUSED, "403 Forbidden")
    feed.next_attempt_at = world.clock() + 299
    world.pass_time(4)
    status = (await call(app_of(world), "/status")).json()
    assert status["feeds"][0] == {
        "name": "binance_spot",
        "exchange": "binance_spot",
        "state": "refused",
        "since": "2023-11-14T22:13:26.000Z",
        "for_seconds": 4.0,
        "down_since": "2023-11-14T22:13:24.500Z",
        "down_for_seconds": 5.5,
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
    assert status["feeds"][1]["down_since"] is None
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
    publisher.duplicates = 10
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
        "duplicates": 10,
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
    feed.streams["btcusdt@depth@100ms"].refused = "60018: no such channel"
    world.feed("binance_derivatives").kind = "rest"
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
                "refused": refused,
                "messages": 1,
                "last_message": "2023-11-14T22:13:24.000Z",
                "last_message_age_seconds": 1.0,
            }
            for name, refused in (
                ("btcusdt@trade", None),
                ("btcusdt@depth@100ms", "60018: no such channel"),
            )
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
