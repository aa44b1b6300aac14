"""What HTTP answers while a feed or the broker is really down, and when it is back."""

from pathlib import Path

import msgspec

from mprism.settings import BackoffSettings, NatsSettings
from mprism.simulator.faults import Close, RefuseConnections
from tests.socket.collector_fixture import (
    EXCHANGE,
    Answer,
    Collector,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.http_truth import (
    MARKET,
    PATIENT,
    PUBLIC,
    SPOT,
    lines_of,
    until_healthy,
    verdict_of,
)
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import open_nats


async def lose_spot(collector: Collector) -> None:
    """The spot exchange's WebSocket server ends its connections and takes no new one."""
    gate = collector.markets[0].websocket
    assert gate is not None
    gate.shut()
    await eventually(lambda: collector.state.feeds[SPOT].attempts > 1)


def regain_spot(collector: Collector) -> None:
    gate = collector.markets[0].websocket
    assert gate is not None
    gate.open()


async def test_one_feed_down_is_degraded_and_not_ready(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=100, gated=True)) as collector,
    ):
        await until_healthy(collector)
        await lose_spot(collector)
        health = await collector.until("/health", lambda a: a.body["status"] == "degraded")
        assert health.status == 200
        check = health.check(f"feed:{SPOT}")
        assert check["status"] == "degraded"
        assert "WebSocket handshake" in check["reason"]
        assert "failed attempts" in check["reason"]
        assert health.check("feeds")["reason"] == "2 of 3 live"
        for name in (PUBLIC, MARKET):
            assert health.check(f"feed:{name}")["status"] == "healthy"
        assert await verdict_of(collector) == "degraded"
        ready = await collector.get("/health/ready")
        assert ready.status == 503
        (reason,) = ready.body["reasons"]
        assert reason.startswith(f"feed:{SPOT}: ")
        assert (await collector.get("/health/live")).status == 200
        await assert_spot_away(collector)
        regain_spot(collector)
        await until_healthy(collector)
        lines = await lines_of(collector, "/connections", "websockets")
        assert {name: line["reconnects"] for name, line in lines.items()} == {
            SPOT: 1,
            PUBLIC: 0,
            MARKET: 0,
        }
        assert lines[SPOT]["last_error"] is not None


async def assert_spot_away(collector: Collector) -> None:
    for port in (False, True):
        lines = await lines_of(collector, "/connections", "websockets", metrics_port=port)
        assert {name for name, line in lines.items() if line["connected"]} == {PUBLIC, MARKET}
        samples = await collector.metrics(metrics_port=port)
        assert samples['marketprism_websocket_connections{exchange="binance_spot"}'] == 0
        assert samples['marketprism_websocket_connections{exchange="binance_derivatives"}'] == 2
        assert samples['marketprism_order_books{exchange="binance_spot",state="live"}'] == 0
        status = (await lines_of(collector, "/status", "feeds", metrics_port=port))[SPOT]
        assert status["state"] in ("backing_off", "connecting")
        assert status["failed_attempts"] > 1
        assert status["down_for_seconds"] >= 0.3
        assert status["books_live"] == []
        assert set(status["books_out_of_sequence"]) == {"BTC-USDT", "ETH-USDT"}


async def test_a_short_absence_of_a_feed_does_not_flap(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=100, gated=True), http=PATIENT) as collector,
    ):
        await until_healthy(collector)
        await lose_spot(collector)
        health = await collector.get("/health")
        assert health.body["status"] == "healthy"
        assert "failed attempts" in health.check(f"feed:{SPOT}")["reason"]
        assert (await collector.get("/health/ready")).status == 200
        regain_spot(collector)
        await until_healthy(collector)


async def test_a_refusal_shows_at_once(tmp_path: Path) -> None:
    """An exchange that refuses us is no short absence, whatever the grace."""
    backoff = BackoffSettings(first_seconds=0.05, cap_seconds=0.2, refused_seconds=1.5)
    seldom = msgspec.structs.replace(EXCHANGE, backoff=backoff)
    async with (
        open_nats(tmp_path) as nats,
        open_collector(
            nats.url, open_markets(rate=100), http=PATIENT, exchange=seldom
        ) as collector,
    ):
        await until_healthy(collector)
        spot = collector.simulators[0]
        await spot.inject(RefuseConnections(count=1, status=403))
        await spot.inject(Close())
        health = await collector.until("/health", lambda a: a.body["status"] == "degraded")
        assert "HTTP 403" in health.check(f"feed:{SPOT}")["reason"]
        status = (await lines_of(collector, "/status", "feeds"))[SPOT]
        assert (status["state"], status["breaker_open"]) == ("refused", True)
        await until_healthy(collector)


def broker_is_out(answer: Answer) -> bool:
    return bool(answer.status == 503 and answer.check("broker")["status"] == "unhealthy")


async def test_the_broker_down_is_unhealthy_until_it_is_back(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=100)) as collector,
    ):
        await until_healthy(collector)
        await nats.kill()
        health = await collector.until("/health", broker_is_out)
        assert "no connection" in health.check("broker")["reason"]
        assert health.check("feeds")["status"] == "healthy"
        assert await verdict_of(collector) == "unhealthy"
        ready = await collector.get("/health/ready")
        assert (ready.status, ready.body["reasons"]) == (503, ["broker: away"])
        assert (await collector.get("/health/live")).status == 200
        for port in (False, True):
            line = (await collector.get("/connections", metrics_port=port)).body["nats"]
            assert (line["connected"], line["state"]) == (False, "away")
            assert line["for_seconds"] >= 0.3
            assert (await collector.metrics(metrics_port=port))["marketprism_broker_up"] == 0
        await collector.until("/status", lambda a: a.body["publisher"]["backlog_messages"] > 10)
        await nats.start()
        await until_healthy(collector)
        assert (await collector.get("/connections")).body["nats"]["reconnects"] == 1
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)


async def test_a_broker_that_hangs_is_a_stall(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(
            NatsSettings(url=nats.url, ack_timeout_seconds=60), open_markets(rate=100)
        ) as collector,
    ):
        await until_healthy(collector)
        nats.pause()
        health = await collector.until("/health", lambda answer: answer.status == 503)
        check = health.check("delivery")
        assert check["status"] == "unhealthy"
        assert check["reason"] == "the broker is connected and stores nothing"
        assert check["for_seconds"] >= 0.3
        ready = await collector.get("/health/ready")
        assert (ready.status, ready.body["reasons"]) == (
            503,
            ["delivery: the broker stores nothing"],
        )
        samples = await collector.metrics()
        assert samples["marketprism_oldest_unacknowledged_seconds"] > 0.3
        assert samples["marketprism_bursts_in_flight"] > 0
        nats.resume()
        await until_healthy(collector)
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)
