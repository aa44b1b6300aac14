"""The simulated Deribit over real sockets: what a client sees is what the truth says."""

from dataclasses import replace
from itertools import pairwise

import httpx

from mprism.simulator import Outcome
from mprism.simulator.deribit import open_deribit
from mprism.simulator.deribit.server import PATH, RULES
from mprism.simulator.faults import (
    Maintenance,
    ServerShutdown,
    Throttle,
)
from tests.socket.deribit_client import (
    DeribitClient,
    connect_deribit,
    decoded,
    expected_seqs,
    is_whole,
)
from tests.socket.simulator_client import connect, refusal

BTC = "BTC-PERPETUAL"
BOOK, TRADES = f"book.{BTC}.100ms", f"trades.{BTC}.100ms"
URGENT = replace(RULES, time_scale=0.005)


async def test_what_a_client_reads_is_the_truth() -> None:
    async with (
        open_deribit(rate=0, start_ms=1_790_000_000_000) as sim,
        connect_deribit(sim) as client,
    ):
        await sim.step(orders=3)
        assert await client.subscribe(TRADES, "nothing", BOOK) == [BOOK, TRADES]
        for _ in range(20):
            await sim.step(orders=3)
        assert await sim.stop_market()
        book = await client.read(BOOK)
        assert all(b["prev_change_id"] == a["change_id"] for a, b in pairwise(book))
        assert [message["type"] for message in book] == ["snapshot", *["change"] * 20]
        assert [message["change_id"] for message in book[1:]] == sim.truth.updates(BTC)
        assert is_whole(sim, book)
        trades = [trade for array in await client.read(TRADES) for trade in array]
        assert [trade["trade_seq"] for trade in trades] == expected_seqs(sim)
        assert len(trades) >= 60
        assert sim.truth.outcomes()[Outcome.UNSUBSCRIBED] > 0


async def test_values_are_confirmed_when_they_were_read() -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        channels = (f"ticker.{BTC}.100ms", f"perpetual.{BTC}.agg2")
        await client.subscribe(*channels, "deribit_volatility_index.eth_usd")
        for _ in range(5):
            await sim.step(1_000, orders=2)
        assert await sim.stop_market()
        read = {tape.data_type: tape for tape in sim.truth.values() if tape.symbol == BTC}
        tickers, perpetuals = [await client.read(channel) for channel in channels]
        interest = list(read["open_interest"].records(Outcome.CONFIRMED))
        assert [r.time_ms for r in interest] == [ticker["timestamp"] for ticker in tickers]
        funding = list(read["funding_rate"].records(Outcome.CONFIRMED))
        assert {r.time_ms for r in funding} == {m["timestamp"] for m in tickers + perpetuals}
        assert len(perpetuals) == 5
        (index,) = [tape for tape in sim.truth.values() if tape.symbol == "eth_usd"]
        assert len(list(index.records(Outcome.CONFIRMED))) >= 5


async def test_heartbeats_keep_a_client_that_answers_and_end_one_that_does_not() -> None:
    async with open_deribit(rate=0, rules=URGENT) as sim, connect_deribit(sim) as client:
        await client.subscribe(TRADES)
        assert (await client.call("public/set_heartbeat", interval=10))["result"] == "ok"
        for _ in range(4):
            kinds = [(await client.client.read())["params"]["type"] for _ in range(2)]
            assert kinds == ["heartbeat", "test_request"]
            await client.call("public/test")
        messages, code = await client.client.read_until_closed()
        assert code == 4000
        kinds = [decoded(message)["params"]["type"] for message in messages]
        assert kinds[:2] == ["heartbeat", "test_request"]
        assert sim.counts["policy_breaches"] == 1


async def test_a_client_that_wants_nothing_is_dropped() -> None:
    async with open_deribit(rate=0, rules=URGENT) as sim, connect_deribit(sim) as client:
        _, code = await client.client.read_until_closed()
        assert code == 1006


async def test_the_thirty_third_connection_is_refused() -> None:
    rules = replace(RULES, max_connections=2)
    assert RULES.max_connections == 32
    async with open_deribit(rate=0, rules=rules) as sim:
        async with connect_deribit(sim) as one, connect_deribit(sim) as two:
            await one.call("public/test")
            await two.call("public/test")
            assert await refusal(f"{sim.websocket_url}{PATH}") == 429
        assert await refusal(f"{sim.websocket_url}/ws/api/v1") == 404


async def test_text_that_is_no_json_leaves_the_connection_open() -> None:
    async with open_deribit(rate=0) as sim, connect(f"{sim.websocket_url}{PATH}") as client:
        await client.connection.send_message("ping")
        answer = await client.read()
        assert answer["error"] == {"code": 11050, "message": "bad_request"}
        assert "id" not in answer
        assert (await DeribitClient(client).call("public/hello"))["result"]["version"]


async def test_maintenance_is_announced_and_over_after_its_time() -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        await client.subscribe("platform_state")
        await sim.inject(Maintenance(0.5))
        await sim.step(1_000)
        states = [state for state in await client.read("platform_state") if "maintenance" in state]
        assert states == [{"maintenance": True}, {"maintenance": False}]
        await sim.inject(ServerShutdown())
        assert (await client.read("platform_state"))[-1] == {"maintenance": True}


async def test_rest_merges_the_flags_that_the_stream_left_out() -> None:
    async with (
        open_deribit(symbols=[BTC], rate=0, streamed_flags="none") as sim,
        connect_deribit(sim) as client,
        httpx.AsyncClient(base_url=f"{sim.rest_url}/api/v2/public/") as rest,
    ):
        await client.subscribe(TRADES)
        for _ in range(20):
            await sim.step(orders=1)
        assert await sim.stop_market()
        streamed = [trade for array in await client.read(TRADES) for trade in array]
        assert not [trade for trade in streamed if "liquidation" in trade]
        ask = {"instrument_name": BTC, "start_seq": streamed[0]["trade_seq"], "count": 1_000}
        answer = await rest.get("get_last_trades_by_instrument", params={**ask, "sorting": "asc"})
        trades = answer.json()["result"]["trades"]
        assert [{k: v for k, v in t.items() if k != "liquidation"} for t in trades] == streamed
        flags = "".join(trade.get("liquidation", "") for trade in trades)
        (tape,) = [t for t in sim.truth.values() if t.data_type == "liquidation"]
        assert 0 < len(flags) == len(list(tape.records(Outcome.CONFIRMED)))
        await sim.inject(Throttle(30))
        refused = await rest.get("get_time")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, 10028)
