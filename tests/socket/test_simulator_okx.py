"""The simulated OKX over real sockets, seen by a naive client of its own."""

from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio

from mprism.simulator import Outcome, okx_faults, open_okx
from mprism.simulator.faults import (
    Close,
    MalformFrames,
    MissingSnapshot,
    RefuseArguments,
    RefuseConnections,
    ResetSequence,
    ServerShutdown,
    Silence,
)
from mprism.simulator.okx.server import RULES
from tests.socket.okx_client import arg, connect_okx
from tests.socket.simulator_client import connect, refusal

SWAP = "BTC-USDT-SWAP"
BOOKS, FILLS = f"books:{SWAP}", f"trades-all:{SWAP}"


async def test_trades_cover_the_fills_that_business_has() -> None:
    async with (
        open_okx("derivatives", rate=0) as sim,
        connect_okx(sim, channels=[f"trades:{SWAP}"]) as public,
        connect_okx(sim, "business", channels=[FILLS]) as business,
    ):
        for _ in range(5):
            await sim.step(100, orders=8)
        assert await sim.stop_market()
        fills = [push["data"][0] for push in await business.read_pushes()]
        trades = [push["data"][0] for push in await public.read_pushes()]
        expected = list(sim.truth.expected(SWAP))
        assert [int(fill["tradeId"]) for fill in fills] == [r.trade_id for r in expected]
        assert all(b.trade_id == a.trade_id + 1 for a, b in pairwise(expected))
        for fill, record in zip(fills, expected, strict=True):
            assert (fill["px"], fill["sz"]) == (record.price, record.quantity)
            assert fill["side"] == ("sell" if record.buyer_is_maker else "buy")
            assert int(fill["ts"]) * 1_000 == record.time_us
            assert fill["instId"] == SWAP
        by_id = {int(fill["tradeId"]): fill for fill in fills}
        assert any(trade["count"] != "1" for trade in trades)
        covered: list[int] = []
        for trade in trades:
            last = int(trade["tradeId"])
            ids = range(last - int(trade["count"]) + 1, last + 1)
            covered += ids
            assert {(by_id[i]["px"], by_id[i]["side"]) for i in ids} == {
                (trade["px"], trade["side"])
            }
            total = sum(round(float(by_id[i]["sz"]) * 100) for i in ids)
            assert total == round(float(trade["sz"]) * 100)
        assert covered == list(by_id)
        named = [record.trade_id for record in sim.truth.expected(SWAP, "trades")]
        assert named == [int(trade["tradeId"]) for trade in trades]


async def test_values_are_what_the_truth_says_and_are_confirmed() -> None:
    channels = [f"funding-rate:{SWAP}", f"open-interest:{SWAP}", "liquidation-orders:SWAP"]
    async with (
        open_okx("derivatives", rate=0) as sim,
        connect_okx(sim, channels=channels) as client,
    ):
        for _ in range(120):
            await sim.step(100)
        assert await sim.stop_market()
        pushes = await client.read_pushes()
        tapes = {(tape.data_type, tape.symbol): tape for tape in sim.truth.values()}
        funding = list(tapes["funding_rate", SWAP].records(Outcome.CONFIRMED))
        sent = [p["data"][0] for p in pushes if p["arg"]["channel"] == "funding-rate"]
        assert [row["fundingRate"] for row in sent] == [
            record.fields["current_funding_rate"] for record in funding
        ]
        assert [int(row["ts"]) for row in sent] == [record.time_ms for record in funding]
        assert len({row["fundingRate"] for row in sent}) > 2
        interest = list(tapes["open_interest", SWAP].records(Outcome.CONFIRMED))
        sent = [p["data"][0] for p in pushes if p["arg"]["channel"] == "open-interest"]
        assert [row["oi"] for row in sent] == [
            record.fields["open_interest_contracts"] for record in interest
        ]
        assert len(sent) > 2
        pushes = [p for p in pushes if p["arg"]["channel"] == "liquidation-orders"]
        told = {
            (row["instId"], int(detail["ts"]), detail["side"], detail["bkPx"])
            for push in pushes[1:]
            for row in push["data"]
            for detail in row["details"]
        }
        swaps = (SWAP, "ETH-USDT-SWAP", "BTC-USD-SWAP")
        assert told == {
            (symbol, record.time_ms, record.fields["side"], record.fields["price"])
            for symbol in swaps
            for record in tapes["liquidation", symbol].records(Outcome.CONFIRMED)
        }
        assert len(told) > 8
        assert max(len(row["details"]) for push in pushes for row in push["data"]) > 1
        assert max(len(push["data"]) for push in pushes) > 1
        futures = tapes["liquidation", "BTC-USD-261225"]
        assert {record.outcome for record in futures.records()} == {Outcome.UNSUBSCRIBED}


async def test_past_liquidations_come_first_and_are_possible() -> None:
    async with open_okx("derivatives", rate=0) as sim, connect_okx(sim) as client:
        await client.ask("subscribe", arg("liquidation-orders:SWAP"))
        (push,) = await client.read_pushes()
        assert sum(len(row["details"]) for row in push["data"]) == 5
        await sim.stop_market()
        outcomes = [
            record.outcome
            for tape in sim.truth.values()
            if tape.data_type == "liquidation"
            for record in tape.records(Outcome.SENT, Outcome.CONFIRMED)
        ]
        assert outcomes == [Outcome.SENT] * 5


async def test_prices_and_instrument_lists() -> None:
    channels = [f"mark-price:{SWAP}", "index-tickers:BTC-USD", "instruments:FUTURES"]
    async with (
        open_okx("derivatives", rate=0) as sim,
        connect_okx(sim, channels=channels) as client,
    ):
        mark, index, futures = await client.read_pushes()
        assert float(mark["data"][0]["markPx"]) == pytest.approx(65_129, abs=1)
        assert float(index["data"][0]["idxPx"]) == pytest.approx(65_118, abs=1)
        assert {row["instType"] for row in futures["data"]} == {"FUTURES"}
        await sim.step(1_000)
        assert [push["arg"]["channel"] for push in await client.read_pushes()] == [
            "mark-price",
            "index-tickers",
        ]


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("public", FILLS),
        ("business", BOOKS),
        ("public", "books:NO-SUCH"),
        ("public", "books:LUNA-USDT-SWAP"),
        ("public", "nothing:BTC-USDT-SWAP"),
        ("public", "funding-rate:BTC-USD-261225"),
    ],
)
async def test_what_does_not_exist_on_a_path_is_refused_for_itself(path: str, stream: str) -> None:
    good = FILLS if path == "business" else f"trades:{SWAP}"
    async with open_okx("derivatives", rate=0) as sim, connect_okx(sim, path) as client:
        await client.ask("subscribe", arg(stream), arg(good), id_="x9")
        error, acknowledged = await client.read_all()
        assert (error["event"], error["code"], error["id"]) == ("error", "60018", "x9")
        assert stream.partition(":")[0] in error["msg"]
        assert (acknowledged["event"], acknowledged["id"]) == ("subscribe", "x9")
        assert error["connId"] == acknowledged["connId"]


async def test_arguments_are_refused_on_demand() -> None:
    async with open_okx("spot", rate=0) as sim, connect_okx(sim) as client:
        await client.read_all()
        await sim.inject(RefuseArguments(1, "ETH"))
        await client.ask("subscribe", arg("trades:BTC-USDT"), arg("trades:ETH-USDT"))
        await client.ask("subscribe", arg("trades:ETH-USDT"))
        assert [m["event"] for m in await client.read_all()] == ["subscribe", "error", "subscribe"]


async def test_requests_are_limited_by_the_hour_and_pings_are_not() -> None:
    rules = replace(RULES, requests=2)
    async with open_okx("spot", rate=0, rules=rules) as sim, connect_okx(sim) as client:
        for _ in range(3):
            await client.ask("subscribe", arg("trades:BTC-USDT"), arg("trades:ETH-USDT"), id_="r")
            await client.read_all()
        await client.ask("unsubscribe", arg("trades:BTC-USDT"), id_="last")
        (error,) = await client.read_all()
        assert (error["event"], error["code"], error["id"]) == ("error", "60014", "last")


async def test_an_idle_connection_is_closed_and_pings_keep_it() -> None:
    rules = replace(RULES, idle_timeout=0.3, ping_interval=0.05, inbound_per_second=100_000)
    async with open_okx("spot", rate=0, rules=rules) as sim, connect_okx(sim) as client:
        begun = trio.current_time()
        while trio.current_time() < begun + 0.6:
            assert await client.read_all() == []
        messages, code = await client.client.read_until_closed()
        assert (messages, code) == ([], 4004)
        assert sim.counts["idle_timeouts"] == 1


async def test_three_connections_a_second_and_known_paths_only() -> None:
    async with open_okx("spot", rate=0) as sim, AsyncExitStack() as clients:
        assert await refusal(f"{sim.websocket_url}/ws/v5/private") == 404
        for _ in range(2):
            await clients.enter_async_context(connect(f"{sim.websocket_url}/ws/v5/public"))
        assert await refusal(f"{sim.websocket_url}/ws/v5/public") == 429


async def test_notice_comes_before_the_end() -> None:
    async with open_okx("spot", rate=0) as sim, connect_okx(sim) as client:
        await client.read_all()
        await sim.inject(ServerShutdown(close_after=0.0))
        messages, code = await client.client.read_until_closed()
        (notice,) = messages
        assert isinstance(notice, str)
        assert '"event":"notice"' in notice
        assert '"code":"64008"' in notice
        assert code == 1001


@pytest.mark.parametrize("stream", [BOOKS, f"trades:{SWAP}", f"funding-rate:{SWAP}"])
@pytest.mark.parametrize("kind", ["wrong_types", "missing_field", "nan", "negative"])
async def test_a_malformed_push_is_of_no_use(stream: str, kind: Any) -> None:
    async with (
        open_okx("derivatives", rate=0) as sim,
        connect_okx(sim, channels=[stream]) as client,
    ):
        await client.read_all()
        await sim.inject(MalformFrames(1, kind))
        text = None
        for _ in range(70):
            await sim.step(100, orders=1)
        await client.say("ping")
        text = await client.client.read_raw()
        assert isinstance(text, str)
        broken = {"wrong_types": '{"not":"this"}', "nan": ":NaN", "negative": '"-1.5"'}
        if stream.startswith("books"):
            broken["nan"] = ",NaN"
        if stream.startswith("funding"):
            broken["negative"] = ":{}"
        if kind == "missing_field":
            assert '"px"' not in text
            assert '"seqId"' not in text
            assert '"fundingRate"' not in text
        else:
            assert broken[kind] in text
        assert sim.counts[f"frames_malformed_{kind}"] == 1


async def test_the_standard_faults_happen_and_withheld_trades_are_known() -> None:
    kinds = {type(fault) for _, fault in okx_faults(60)}
    assert {MissingSnapshot, ResetSequence, ServerShutdown, Silence, Close} <= kinds
    assert RefuseConnections not in kinds
    schedule = okx_faults(2)  # the first end is after 0.7 s
    async with (
        open_okx("derivatives", rate=400, schedule=schedule) as sim,
        connect_okx(sim, "business", channels=[FILLS]) as client,
    ):
        messages, code = await client.client.read_until_closed()
        assert code == 1001
        read = {trade_id for message in messages for trade_id in trade_ids(message)}
        assert read == {record.trade_id for record in sim.truth.expected(SWAP)}
        outcomes = sim.truth.outcomes()
        assert (outcomes[Outcome.LOST], outcomes[Outcome.MALFORMED]) == (2, 2)
        assert (sim.counts["frames_repeated"], sim.counts["frames_fragmented"]) == (3, 3)


def trade_ids(message: str | bytes) -> list[int]:
    """The trades that a correct reader takes from a message."""
    try:
        return [int(row["tradeId"]) for row in msgspec.json.decode(message)["data"]]
    except (msgspec.DecodeError, KeyError, TypeError):
        return []
