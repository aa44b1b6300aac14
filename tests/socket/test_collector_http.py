"""What HTTP answers is true, each answer of a collector that is really in that state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from mprism.schema import decode
from mprism.settings import BackoffSettings, HttpSettings, NatsSettings
from mprism.simulator.faults import Close, RefuseConnections
from mprism.state import FeedStatus
from tests.socket.collector_fixture import (
    EXCHANGE,
    Answer,
    Collector,
    Market,
    assert_right,
    eventually,
    open_collector,
    open_markets,
    stored_in,
)
from tests.socket.nats_fixture import open_nats

PATHS = ("/", "/health", "/health/live", "/health/ready", "/status", "/connections")
SPOT, PUBLIC, MARKET = (
    "binance_spot/stream-1",
    "binance_derivatives/public-1",
    "binance_derivatives/market-1",
)
PATIENT = HttpSettings(port=0, metrics_port=0, grace_seconds=60, start_grace_seconds=60)


@asynccontextmanager
async def markets_without_rest() -> AsyncIterator[list[Market]]:
    """Markets whose REST interface takes requests and does not answer."""
    async with open_markets(rate=100, gated=True) as markets:
        for market in markets:
            assert market.rest is not None
            market.rest.hold()
        yield markets


def answer_rest(collector: Collector) -> None:
    for market in collector.markets:
        assert market.rest is not None
        market.rest.open()


async def until_healthy(collector: Collector) -> None:
    """Wait until everything is said to be well, and look whether it is."""
    await collector.until("/health/ready", lambda answer: answer.status == 200)
    health = await collector.until("/health", lambda answer: answer.body["status"] == "healthy")
    assert health.status == 200
    assert {check["status"] for check in health.body["checks"]} == {"healthy"}
    await eventually(lambda: collector.live)
    for port in (False, True):
        connections = await collector.get("/connections", metrics_port=port)
        websockets = connections.body["websockets"]
        assert {line["name"] for line in websockets if line["connected"]} == {SPOT, PUBLIC, MARKET}
        assert connections.body["pollers"] == []
        assert connections.body["nats"]["connected"]


async def verdict_of(collector: Collector) -> str:
    """The verdict, which is the same in /health, /status and /metrics of both ports."""
    with trio.fail_after(10):
        while True:
            before = (await collector.get("/health")).body["status"]
            named = {before}
            for port in (False, True):
                named.add((await collector.get("/status", metrics_port=port)).body["health"])
                samples = await collector.metrics(metrics_port=port)
                named |= {
                    status
                    for status in ("healthy", "degraded", "unhealthy")
                    if samples[f'marketprism_health_status{{status="{status}"}}']
                }
            named.add((await collector.get("/health")).body["status"])
            if len(named) == 1:  # else it changed meanwhile
                return str(before)


async def assert_phase(collector: Collector, phase: str) -> None:
    """Every answer that names a phase names this one, and the process is alive."""
    for port in (False, True):
        for path in ("/health", "/health/live", "/health/ready", "/status"):
            answer = await collector.get(path, metrics_port=port)
            assert answer.body["phase"] == phase, path
        live = await collector.get("/health/live", metrics_port=port)
        assert (live.status, live.body["alive"]) == (200, True)
        samples = await collector.metrics(metrics_port=port)
        phases = {name: value for name, value in samples.items() if "marketprism_phase" in name}
        assert [name for name, value in phases.items() if value] == [
            f'marketprism_phase{{phase="{phase}"}}'
        ]


async def test_starting_while_the_exchanges_do_not_answer(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, markets_without_rest()) as collector,
    ):
        await eventually(lambda: len(collector.state.feeds) == 2)
        await collector.until("/health", lambda a: a.check("broker")["status"] == "healthy")
        await assert_phase(collector, "starting")
        assert await verdict_of(collector) == "degraded"
        health = await collector.get("/health")
        assert health.status == 200
        assert health.check("phase")["reason"] == "starting"
        check = health.check("feed:binance_spot/instruments")
        assert (check["status"], check["reason"]) == ("degraded", "connecting")
        assert health.body["coverage"] == []
        ready = await collector.get("/health/ready")
        assert (ready.status, ready.body["ready"]) == (503, False)
        assert set(ready.body["reasons"]) == {
            "starting",
            "feed:binance_spot/instruments: connecting",
            "feed:binance_derivatives/instruments: connecting",
        }
        connections = (await collector.get("/connections")).body
        assert connections["websockets"] == []
        assert [line["name"] for line in connections["pollers"]] == list(collector.state.feeds)
        assert (await collector.get("/status")).body["feeds"][0]["state"] == "connecting"
        answer_rest(collector)
        await until_healthy(collector)
        await assert_phase(collector, "running")


async def test_starting_for_too_long_is_unhealthy(tmp_path: Path) -> None:
    http = HttpSettings(port=0, metrics_port=0, grace_seconds=60, start_grace_seconds=0.3)
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, markets_without_rest(), http=http) as collector,
    ):
        health = await collector.until(
            "/health", lambda answer: answer.check("feeds")["status"] == "unhealthy"
        )
        assert health.status == 503
        assert health.check("feeds")["reason"] == "0 of 2 live"
        assert await verdict_of(collector) == "unhealthy"
        assert (await collector.get("/health/live")).status == 200
        assert (await collector.get("/health/ready")).status == 503
        answer_rest(collector)
        await until_healthy(collector)
        assert await verdict_of(collector) == "healthy"


async def test_healthy_with_numbers_that_are_those_of_the_exchanges(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=200)) as collector,
    ):
        await until_healthy(collector)
        await collector.until(
            "/health", lambda a: {line["published"] > 9 for line in a.body["coverage"]} == {True}
        )
        await collector.settled()
        await assert_phase(collector, "running")
        spot, usdm = collector.simulators
        stored = await stored_in(nats.url)
        assert_right(stored, collector.simulators)
        published = [decode(message.payload) for message in stored]
        for port in (False, True):
            for path in PATHS:
                assert (await collector.get(path, metrics_port=port)).status == 200
            samples = await collector.metrics(metrics_port=port)
            for name, simulator in (("binance_spot", spot), ("binance_derivatives", usdm)):
                of_it = [event for event in published if event.exchange == name]
                market = "spot" if simulator is spot else "perpetual"
                for kind in ("trade", "orderbook"):
                    labels = f'data_type="{kind}",exchange="{name}",market_type="{market}"'
                    count = sum(event.data_type == kind for event in of_it)
                    assert samples[f"marketprism_messages_published_total{{{labels}}}"] == count
                    assert samples[f"marketprism_events_received_total{{{labels}}}"] == count
                frames = sum(
                    value
                    for sample, value in samples.items()
                    if sample.startswith(f'marketprism_frames_total{{exchange="{name}"')
                )
                connections = simulator.counts["connections_opened"]
                assert samples[f'marketprism_websocket_connections{{exchange="{name}"}}'] == (
                    connections
                )
                # One acknowledgement of a subscription for each.
                assert frames == simulator.counts["frames_sent"] + connections
                assert samples[f'marketprism_order_books{{exchange="{name}",state="live"}}'] == 2
            assert samples["marketprism_broker_up"] == 1
            assert samples["marketprism_data_processing_duration_seconds_count"] == len(stored)
            assert samples["marketprism_memory_usage_bytes"] > 10_000_000
        await assert_streams(collector)
        assert (await collector.get("/status")).body["publisher"]["acknowledged"] == len(stored)
        assert (await collector.get("/nowhere")).status == 404


async def assert_streams(collector: Collector) -> None:
    connections = (await collector.get("/connections")).body
    messages = 0
    for line in connections["websockets"]:
        assert line["last_error"] is None
        for stream in line["streams"]:
            assert stream["acknowledged"]
            assert stream["last_message_age_seconds"] >= 0
            messages += stream["messages"]
    assert messages == sum(s.counts["frames_sent"] for s in collector.simulators)


async def lines_of(
    collector: Collector, path: str, key: str, *, metrics_port: bool = False
) -> dict[str, dict[str, Any]]:
    """The lines of one list in an answer, by their names."""
    answer = await collector.get(path, metrics_port=metrics_port)
    return {line["name"]: line for line in answer.body[key]}


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


async def test_stopping_while_the_broker_takes_its_time(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=100), http=PATIENT) as collector,
    ):
        await until_healthy(collector)
        nats.pause()
        await eventually(lambda: collector.state.publisher.messages_in_flight > 20)
        collector.stop.set()
        await collector.until("/health/live", lambda a: a.body["phase"] == "stopping")
        await eventually(
            lambda: {f.status for f in collector.state.feeds.values()} == {FeedStatus.STOPPED}
        )
        await assert_phase(collector, "stopping")
        assert await verdict_of(collector) == "degraded"
        health = await collector.get("/health")
        assert health.status == 200
        assert health.check("phase")["reason"] == "stopping"
        ready = await collector.get("/health/ready")
        assert ready.status == 503
        assert ready.body["reasons"][0] == "stopping"
        lines = (await collector.get("/connections")).body["websockets"]
        assert {(line["connected"], line["state"]) for line in lines} == {(False, "stopped")}
        assert not collector.ended.is_set()
        nats.resume()
        with trio.fail_after(10):
            await collector.ended.wait()
        with pytest.raises(httpx.TransportError):
            await collector.get("/health/live")
        state = collector.state.publisher
        assert state.dropped.total() == 0
        received = sum(delivery.received for delivery in state.deliveries.values())
        assert len(await stored_in(nats.url)) == state.acknowledged == received
