"""Mark prices, liquidations and REST values of simulated USD-M over real sockets."""

from dataclasses import replace
from itertools import pairwise

import httpx
import msgspec
import pytest

from mprism.simulator import BinanceSimulator, Outcome, open_binance
from mprism.simulator.binance.venue import USDM
from mprism.simulator.faults import LoseFrames, MalformFrames
from mprism.simulator.values import ValueRecord
from tests.socket.simulator_client import connect

START_MS = 1_800_000_000_000
MARK, SLOW_MARK = "btcusdt@markPrice@1s", "btcusdt@markPrice"
LIQUIDATION, LIQUIDATIONS = "btcusdt@forceOrder", "!forceOrder@arr"
ALL = (MARK, SLOW_MARK, LIQUIDATION, LIQUIDATIONS)


def records(sim: BinanceSimulator, data_type: str) -> list[ValueRecord]:
    found = (t for t in sim.truth.values() if (t.data_type, t.symbol) == (data_type, "BTCUSDT"))
    return [record for tape in found for record in tape.records()]


@pytest.mark.parametrize(
    ("route", "delivered"),
    [("/market", set(ALL)), ("/public", set()), ("/private", set()), ("", set())],
)
async def test_only_the_market_route_delivers(route: str, delivered: set[str]) -> None:
    async with (
        open_binance("usdm", rate=0, levels=50, start_ms=START_MS) as sim,
        connect(f"{sim.websocket_url}{route}/stream") as client,
    ):
        await client.request("SUBSCRIBE", *ALL)
        assert await client.read() == {"result": None, "id": 1}
        for _ in range(3):
            await sim.step(1_000, orders=1)
        messages = await client.read_data()
    assert {message["stream"] for message in messages} == delivered
    marks = [m["data"]["E"] - START_MS for m in messages if m["stream"] == MARK]
    assert marks == ([1_000, 2_000, 3_000] if delivered else [])


async def test_the_truth_knows_which_values_were_read() -> None:
    async with (
        open_binance("usdm", rate=0, levels=50, start_ms=START_MS) as sim,
        connect(f"{sim.websocket_url}/market/stream?streams={MARK}/{LIQUIDATION}") as client,
    ):
        await sim.step(1_000)
        await sim.inject(LoseFrames(1, "markPrice"))
        await sim.step(1_000)
        await sim.inject(MalformFrames(1, "truncated", "markPrice"))
        await sim.step(1_000, orders=1)
        assert await sim.stop_market()
        assert [record.outcome for record in records(sim, "funding_rate")] == [
            Outcome.CONFIRMED,
            Outcome.LOST,
            Outcome.MALFORMED,
        ]
        (liquidation,) = records(sim, "liquidation")
        assert liquidation.outcome is Outcome.CONFIRMED
        first, _, last = await client.read_until_listed()
        funding = records(sim, "funding_rate")[0].fields
        assert msgspec.json.decode(first)["data"]["r"] == funding["current_funding_rate"]
        assert msgspec.json.decode(last)["data"]["o"]["T"] == liquidation.time_ms


async def test_rest_values_are_true_once_they_were_given() -> None:
    rules = replace(USDM.rules, statistics_limit=2)
    async with (
        open_binance(
            "usdm", rate=0, levels=50, rules=rules, statistics_seconds=5, start_ms=START_MS
        ) as sim,
        httpx.AsyncClient(base_url=sim.rest_url) as rest,
    ):
        held = (await rest.get("/fapi/v1/openInterest?symbol=BTCUSDT")).json()
        path = "/futures/data/globalLongShortAccountRatio?symbol=BTCUSDT&period=5m&limit=3"
        rows = (await rest.get(path)).json()
        await sim.step(3_000)
        rows += (await rest.get(path)).json()[-1:]
        refused = await rest.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "300")
        assert [b["timestamp"] - a["timestamp"] for a, b in pairwise(rows)] == [5_000] * 3
        told = records(sim, "lsr_all_account")
        assert [record.time_ms for record in told] == [row["timestamp"] for row in rows]
        assert [record.fields["long_short_ratio"] for record in told] == [
            row["longShortRatio"] for row in rows
        ]
        (interest,) = records(sim, "open_interest")
        assert interest.fields == {"open_interest": held["openInterest"]}
        assert interest.outcome is Outcome.CONFIRMED


async def test_a_running_market_tells_of_everything() -> None:
    async with (
        open_binance("usdm", rate=200, levels=50) as sim,
        connect(f"{sim.websocket_url}/market/stream?streams={'/'.join(ALL)}") as client,
    ):
        seen: set[tuple[str, int]] = set()
        wanted = {(MARK, 1), (LIQUIDATION, 1), (LIQUIDATIONS, 1), (LIQUIDATIONS, 2)}
        while not wanted <= seen:
            message = await client.read()
            seen.add((message["stream"], message["data"]["st"]))
        assert await sim.stop_market()
        assert {record.outcome for record in records(sim, "funding_rate")} == {Outcome.CONFIRMED}
