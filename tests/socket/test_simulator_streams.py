"""The simulated stream servers over real sockets, with a plain WebSocket client."""

from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, TextMessage

from mprism.simulator import Market, Outcome, open_binance
from mprism.simulator.binance.venue import SPOT
from mprism.simulator.faults import RefuseConnections, ServerShutdown
from tests.socket.simulator_client import connect, connect_raw, refusal

TRADE, DEPTH = "btcusdt@trade", "btcusdt@depth@100ms"


async def test_a_combined_connection_gets_each_stream_by_name() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream?streams={TRADE}/{DEPTH}") as client,
    ):
        await sim.subscribed(TRADE, DEPTH)
        await sim.step(orders=3)
        messages = await client.read_data()
    assert {message["stream"] for message in messages} == {TRADE, DEPTH}
    assert [m["data"]["e"] for m in messages if m["stream"] == DEPTH] == ["depthUpdate"]
    assert all(message["data"]["s"] == "BTCUSDT" for message in messages)


async def test_a_raw_connection_gets_bare_payloads_until_it_asks_for_combined_ones() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{DEPTH}") as client,
    ):
        await sim.step(orders=1)
        await sim.step(orders=1)
        events = await client.read_data()
        assert [event["e"] for event in events] == ["depthUpdate"] * 2
        await client.request("SET_PROPERTY", "combined", True)
        assert await client.read() == {"result": None, "id": 1}
        await sim.step(orders=1)
        (message,) = await client.read_data()
    assert message["stream"] == DEPTH
    assert message["data"]["U"] == events[1]["u"] + 1


async def test_subscribing_and_unsubscribing_on_an_open_connection() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream") as client,
    ):
        await sim.step(orders=1)
        assert await client.read_data() == []
        await client.request("SUBSCRIBE", TRADE, id_=7)
        assert await client.read() == {"result": None, "id": 7}
        await sim.step(orders=1)
        assert {m["stream"] for m in await client.read_data()} == {TRADE}
        await client.request("UNSUBSCRIBE", TRADE, id_=8)
        assert await client.read() == {"result": None, "id": 8}
        await sim.step(orders=1)
        assert await client.read_data() == []


async def test_an_unknown_stream_is_acknowledged_and_stays_silent() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream?streams=nosuch@trade") as client,
    ):
        await client.request("SUBSCRIBE", "nosuch@depth@100ms", "btcusdt@nothing")
        assert await client.read() == {"result": None, "id": 1}
        await sim.step(orders=5)
        assert await client.read_data() == []


@pytest.mark.parametrize(
    ("path", "delivered"),
    [
        ("/public/stream", {TRADE, DEPTH}),
        ("/stream", {TRADE, DEPTH}),
        ("/market/stream", {"btcusdt@aggTrade"}),
        ("/private/stream", set()),
    ],
)
async def test_the_wrong_route_is_acknowledged_and_stays_silent(
    path: str, delivered: set[str]
) -> None:
    async with (
        open_binance("usdm", rate=0) as sim,
        connect(f"{sim.websocket_url}{path}") as client,
    ):
        await client.request("SUBSCRIBE", TRADE, DEPTH, "btcusdt@aggTrade")
        assert await client.read() == {"result": None, "id": 1}
        await sim.step(orders=5)
        assert {m["stream"] for m in await client.read_data()} == delivered


async def test_two_clients_get_the_same_data() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream?streams={DEPTH}/{TRADE}") as one,
        connect(f"{sim.websocket_url}/stream?streams={DEPTH}/{TRADE}") as two,
    ):
        await sim.step(300, orders=4)
        assert await one.read_data() == await two.read_data() != []


async def test_times_are_in_microseconds_where_they_were_asked_for() -> None:
    async with (
        open_binance("spot", rate=0, start_ms=1_800_000_000_000) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}?timeUnit=MICROSECOND") as client,
    ):
        await sim.step(orders=1)
        event = (await client.read_data())[0]
    assert event["T"] == 1_800_000_000_000_000
    assert event["E"] == 1_800_000_000_000_000


async def test_symbols_that_are_not_ascii() -> None:
    async with (
        open_binance("spot", symbols=["测试币USDT"], rate=0) as sim,
        connect(f"{sim.websocket_url}/stream") as client,
    ):
        await client.request("SUBSCRIBE", "测试币usdt@trade")
        assert await client.read() == {"result": None, "id": 1}
        await sim.step(orders=1)
        message = (await client.read_data())[0]
        assert (message["stream"], message["data"]["s"]) == ("测试币usdt@trade", "测试币USDT")


async def test_a_running_market_is_received_without_a_hole_and_confirmed() -> None:
    trades: list[dict[str, Any]] = []
    async with (
        open_binance("usdm", rate=500) as sim,
        connect(f"{sim.websocket_url}/market/stream?streams=btcusdt@aggTrade") as market,
        connect(f"{sim.websocket_url}/public/stream?streams={DEPTH}") as public,
    ):
        await sim.subscribed("btcusdt@aggTrade", DEPTH)
        while len(trades) < 60:
            trades.append((await market.read())["data"])
        assert await sim.stop_market()
        trades += [message["data"] for message in await market.read_data()]
        chain = [message["data"] for message in await public.read_data()]
        expected = [record.trade_id for record in sim.truth.expected("BTCUSDT")]
    assert [trade["a"] for trade in trades] == expected
    assert all(b["pu"] == a["u"] for a, b in pairwise(chain))
    assert sim.truth.outcomes()[Outcome.SENT] == 0
    for record, trade in zip(sim.truth.expected("BTCUSDT"), trades, strict=True):
        assert (record.price, record.quantity) == (trade["p"], trade["q"])
        assert (record.buyer_is_maker, record.time_us) == (trade["m"], trade["T"] * 1_000)


async def test_what_is_not_known_to_be_read_is_possible_and_not_expected() -> None:
    async with open_binance("spot", rate=0) as sim:
        async with connect(f"{sim.websocket_url}/ws/{TRADE}") as client:
            await sim.step(orders=2)
            assert list(sim.truth.expected("BTCUSDT")) == []
            sent = [record.trade_id for record in sim.truth.possible("BTCUSDT")]
            assert [event["t"] for event in await client.read_data()] == sent
            await sim.stop_market()
            assert [record.trade_id for record in sim.truth.expected("BTCUSDT")] == sent
            await sim.step(orders=1)
        outcomes = {record.outcome for record in sim.truth.trades("BTCUSDT")}
        assert outcomes == {Outcome.CONFIRMED, Outcome.SENT}
        assert {r.outcome for r in sim.truth.trades("ETHUSDT")} == {Outcome.UNSUBSCRIBED}


async def test_a_book_from_rest_and_the_stream_is_the_true_one() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{DEPTH}") as client,
        httpx.AsyncClient(base_url=sim.rest_url) as rest,
    ):
        await sim.step(orders=5)
        answer = await rest.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
        snapshot = answer.json()
        await sim.step(400, orders=20)
        update_id = snapshot["lastUpdateId"]
        bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        for event in await client.read_data():
            if event["u"] <= update_id:
                continue
            assert event["U"] <= update_id + 1
            update_id = event["u"]
            for side, changes in ((bids, event["b"]), (asks, event["a"])):
                side.update(changes)
        true = sim.truth.book_at("BTCUSDT", update_id).top()
    assert {p: q for p, q in bids.items() if float(q)} == dict(true[0])
    assert {p: q for p, q in asks.items() if float(q)} == dict(true[1])


async def test_a_message_of_ones_own_reaches_the_subscribers() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream?streams={TRADE}") as client,
    ):
        await sim.subscribed(TRADE)
        sim.publish(TRADE, {"e": "trade", "t": -1})
        assert await client.read() == {"stream": TRADE, "data": {"e": "trade", "t": -1}}


@pytest.mark.parametrize(("market", "limit"), [("spot", 5), ("usdm", 10)])
async def test_too_many_messages_in_a_second_end_the_connection(market: Market, limit: int) -> None:
    async with (
        open_binance(market, rate=0) as sim,
        connect(f"{sim.websocket_url}/stream") as client,
    ):
        for _ in range(limit - 2):
            await client.request("LIST_SUBSCRIPTIONS")
        await client.connection.ping()
        await client.connection.pong(b"unasked")
        for _ in range(limit - 2):
            await client.read()
        assert sim.counts["unsolicited_pongs"] == 1
        await client.request("LIST_SUBSCRIPTIONS")
        assert await client.read_until_closed() == ([], 1008)
        assert sim.counts["inbound_limit_breaches"] == 1


async def test_too_many_streams_end_the_connection() -> None:
    rules = replace(SPOT.rules, max_streams=2)
    async with (
        open_binance("spot", rate=0, rules=rules) as sim,
        connect(f"{sim.websocket_url}/stream?streams=a@trade/b@trade") as client,
    ):
        await client.request("SUBSCRIBE", "c@trade")
        assert await client.read_until_closed() == ([], 1008)
        assert await refusal(f"{sim.websocket_url}/ws/a@trade/b@trade/c@trade") == 400


async def test_too_many_attempts_are_refused() -> None:
    rules = replace(SPOT.rules, connection_attempts=2)
    async with open_binance("spot", rate=0, rules=rules) as sim, AsyncExitStack() as clients:
        for _ in range(2):
            await clients.enter_async_context(connect(f"{sim.websocket_url}/ws"))
        assert await refusal(f"{sim.websocket_url}/ws") == 429


@pytest.mark.parametrize("path", ["/nothing", "/public/stream"])
async def test_unknown_paths_are_refused(path: str) -> None:
    async with open_binance("spot", rate=0) as sim:
        assert await refusal(sim.websocket_url + path) == 404


async def test_handshakes_are_refused_on_demand() -> None:
    async with open_binance("spot", rate=0) as sim:
        await sim.inject(RefuseConnections(1, 451))
        assert await refusal(f"{sim.websocket_url}/ws") == 451
        async with connect(f"{sim.websocket_url}/ws"):
            assert sim.counts["connections_opened"] == 1


async def test_an_answered_ping_confirms_what_was_written_before_it() -> None:
    rules = replace(SPOT.rules, ping_interval=0.02)
    async with (
        open_binance("spot", rate=0, rules=rules) as sim,
        connect_raw(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.subscribed(TRADE)
        await sim.step(orders=2)
        trades = 0
        while isinstance(event := await client.next_of(TextMessage, Ping), TextMessage | Ping):
            if isinstance(event, TextMessage):
                trades += 1
            elif not trades:
                await client.send(event.response())
            else:
                break
        assert list(sim.truth.expected("BTCUSDT")) == []
        assert isinstance(event, Ping)
        await client.send(event.response())
        # The second ping comes only after the answer to the first was read.
        assert await client.next_of(Ping) is not None
        assert len(list(sim.truth.expected("BTCUSDT"))) == trades
        assert list(sim.truth.possible("BTCUSDT")) == []


async def test_a_pong_of_another_payload_confirms_nothing() -> None:
    rules = replace(SPOT.rules, ping_interval=0.02, pong_timeout=0.1)
    async with (
        open_binance("spot", rate=0, rules=rules) as sim,
        connect_raw(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.subscribed(TRADE)
        await sim.step(orders=1)
        assert await client.next_of(Ping) is not None
        await client.send(Pong(b"other"))
        assert await client.next_of(CloseConnection) == CloseConnection(1008, "Pong timeout")
        assert list(sim.truth.expected("BTCUSDT")) == []
        assert sim.counts["unsolicited_pongs"] == 1
        assert sim.counts["pong_timeouts"] == 1


async def test_a_client_that_answers_no_ping_is_cut_off() -> None:
    rules = replace(SPOT.rules, ping_interval=0.02, pong_timeout=0.05)
    async with (
        open_binance("spot", rate=0, rules=rules) as sim,
        connect_raw(f"{sim.websocket_url}/ws") as client,
    ):
        assert isinstance(await client.next_event(), AcceptConnection)
        assert isinstance(await client.next_event(), Ping)
        assert await client.next_event() == CloseConnection(1008, "Pong timeout")
        assert await client.next_event() is None
        assert sim.counts["pong_timeouts"] == 1


async def test_a_connection_ends_with_its_age_and_loses_nothing() -> None:
    rules = replace(SPOT.rules, max_age=0.2)
    async with (
        open_binance("spot", rate=0, rules=rules) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.step(orders=3)
        messages, code = await client.read_until_closed()
        assert code == 1001
        received = [msgspec.json.decode(message)["t"] for message in messages]
        assert received == [record.trade_id for record in sim.truth.expected("BTCUSDT")]
        assert list(sim.truth.possible("BTCUSDT")) == []


async def test_a_shutdown_is_announced_and_then_happens() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream") as combined,
        connect(f"{sim.websocket_url}/ws") as raw,
    ):
        assert await sim.inject(ServerShutdown()) == 2
        message = await combined.read()
        assert message["stream"] == "!serverShutdown"
        assert message["data"]["e"] == "serverShutdown"
        assert (await raw.read()).keys() == {"e", "E"}
        await sim.inject(ServerShutdown(close_after=0.05))
        messages, code = await raw.read_until_closed()
        assert (len(messages), code) == (1, 1001)


async def test_a_client_that_reads_too_slowly_is_cut_off() -> None:
    rules = replace(SPOT.rules, max_unsent_bytes=1_000)
    async with (
        open_binance("spot", rate=0, rules=rules) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        sim.publish(TRADE, {"pad": "x" * 2_000})
        _, code = await client.read_until_closed()
        assert code == 1006
        assert sim.counts["slow_clients"] == 1
