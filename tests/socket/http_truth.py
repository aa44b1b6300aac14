"""What HTTP answers, looked at from several sides."""

from typing import Any

import trio

from mprism.settings import HttpSettings
from tests.socket.collector_fixture import Collector, eventually

SPOT, PUBLIC, MARKET = (
    "binance_spot/stream-1",
    "binance_derivatives/public-1",
    "binance_derivatives/market-1",
)
PATIENT = HttpSettings(port=0, metrics_port=0, grace_seconds=60, start_grace_seconds=60)


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


async def lines_of(
    collector: Collector, path: str, key: str, *, metrics_port: bool = False
) -> dict[str, dict[str, Any]]:
    """The lines of one list in an answer, by their names."""
    answer = await collector.get(path, metrics_port=metrics_port)
    return {line["name"]: line for line in answer.body[key]}
