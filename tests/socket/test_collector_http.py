"""What HTTP answers is true, each answer of a collector that is really in that state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from mprism.schema import decode
from mprism.settings import HttpSettings
from mprism.state import FeedStatus
from tests.socket.collector_fixture import (
    Collector,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.http_truth import (
    PATIENT,
    assert_phase,
    until_healthy,
    verdict_of,
)
from tests.socket.markets import Market, open_markets
from tests.socket.nats_fixture import open_nats

PATHS = ("/", "/health", "/health/live", "/health/ready", "/status", "/connections")


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
