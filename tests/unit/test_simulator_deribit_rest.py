"""REST of the simulated Deribit: trades by number and time, candles, lists, faults."""

from typing import Any

import msgspec
import pytest

from mprism.simulator.faults import (
    Ban,
    ServerError,
    SlowAnswer,
    StaleSnapshot,
    Throttle,
)
from mprism.simulator.http import Request
from mprism.simulator.tape import Outcome
from tests.unit.deribit_scene import START_MS, Scene, data_of, open_market, sent

BTC = "BTC-PERPETUAL"
MINUTE_MS = 60_000


def scene_after(seconds: float) -> tuple[Scene, list[Any]]:
    scene = Scene()
    return scene, sent(scene.market, seconds)


def refusal(scene: Scene, method: str, **params: object) -> tuple[int, Any]:
    response = scene.get(method, **params)
    return response.status, msgspec.json.decode(response.body)["error"]


def test_trades_by_number() -> None:
    scene, messages = scene_after(5)
    trades = [t for array in data_of(messages, f"trades.{BTC}.100ms") for t in array]
    seqs = [trade["trade_seq"] for trade in trades]
    ask = {"instrument_name": BTC, "start_seq": seqs[2], "end_seq": seqs[8]}
    first = scene.result("get_last_trades_by_instrument", **ask, count=4, sorting="asc")
    assert [t["trade_seq"] for t in first["trades"]] == seqs[2:6]
    assert first["has_more"] is True
    last = scene.result("get_last_trades_by_instrument", **ask, count=4)
    assert [t["trade_seq"] for t in last["trades"]] == seqs[8:4:-1]
    whole = scene.result("get_last_trades_by_instrument", **ask, count=7, sorting="asc")
    assert ([t["trade_seq"] for t in whole["trades"]], whole["has_more"]) == (seqs[2:9], False)
    newest = scene.result("get_last_trades_by_instrument", instrument_name=BTC)
    assert [t["trade_seq"] for t in newest["trades"]] == seqs[:-11:-1]
    none = scene.result("get_last_trades_by_instrument", instrument_name=BTC, end_seq=seqs[0] - 1)
    assert none == {"trades": [], "has_more": False}


def test_trades_by_time() -> None:
    scene, messages = scene_after(5)
    trades = [t for array in data_of(messages, f"trades.{BTC}.100ms") for t in array]
    first, last = START_MS + 1_000, START_MS + 2_500
    within = [t["trade_seq"] for t in trades if first <= t["timestamp"] <= last]
    ask = {"instrument_name": BTC, "start_timestamp": first, "end_timestamp": last}
    answer = scene.result(
        "get_last_trades_by_instrument_and_time", **ask, count=1_000, sorting="asc"
    )
    assert [t["trade_seq"] for t in answer["trades"]] == within
    assert answer["has_more"] is False
    page = scene.result("get_last_trades_by_instrument_and_time", **ask, count=3, sorting="desc")
    assert [t["trade_seq"] for t in page["trades"]] == within[:-4:-1]
    assert page["has_more"] is True


@pytest.mark.parametrize("count", [0, 1_001])
def test_counts_have_limits(count: int) -> None:
    scene, _ = scene_after(1)
    status, error = refusal(
        scene, "get_last_trades_by_instrument", instrument_name=BTC, count=count
    )
    assert (status, error["code"], error["data"]["param"]) == (400, -32602, "count")


def test_a_trade_given_by_rest_may_be_stored() -> None:
    scene, _ = scene_after(2)
    scene.result("get_last_trades_by_instrument", instrument_name=BTC, count=5)
    assert len(list(scene.market.truth().possible(BTC))) == 5
    assert scene.market.truth().outcomes()[Outcome.CONFIRMED] == 0


def test_candles_are_made_of_what_was_streamed() -> None:
    scene, messages = scene_after(130)
    values = data_of(messages, "deribit_volatility_index.btc_usd")
    ask = {"currency": "BTC", "start_timestamp": START_MS - 5 * MINUTE_MS}
    candles = scene.result(
        "get_volatility_index_data", **ask, end_timestamp=START_MS + 10**6, resolution=60
    )
    assert candles["continuation"] is None
    rows = candles["data"]
    first = -(-(START_MS - 5 * MINUTE_MS) // MINUTE_MS) * MINUTE_MS
    last = (START_MS + 130_000) // MINUTE_MS * MINUTE_MS
    assert [row[0] for row in rows] == list(range(first, last + 1, MINUTE_MS))
    streamed_rows = 0
    for start, opened, high, low, closed in rows:
        within = [v["volatility"] for v in values if start <= v["timestamp"] < start + MINUTE_MS]
        assert low <= opened <= high >= closed >= low
        if within:
            streamed_rows += 1
            assert (opened, closed) == (within[0], within[-1])
            assert (high, low) == (max(within), min(within))
    assert streamed_rows >= 3


def test_a_given_candle_may_be_told_of_once() -> None:
    scene, messages = scene_after(90)
    streamed = data_of(messages, "deribit_volatility_index.btc_usd")
    start = -(-START_MS // MINUTE_MS) * MINUTE_MS
    ask = {"currency": "BTC", "start_timestamp": start, "end_timestamp": start, "resolution": 60}
    for _ in range(2):
        ((_, opened, high, low, close),) = scene.result("get_volatility_index_data", **ask)["data"]
    (tape,) = scene.market.indexes["btc_usd"].values
    (record,) = tape.records(Outcome.SENT)
    assert record.time_ms == start
    told = {"volatility_index": close, "open": opened, "high": high, "low": low, "close": close}
    assert record.fields["resolution"] == "60"
    assert {name: float(str(record.fields[name])) for name in told} == told
    assert len(tape) == len(streamed) + 1
    assert {r.fields["resolution"] for r in tape.records(Outcome.UNSUBSCRIBED)} == {None}


def test_candles_continue_backwards() -> None:
    scene, _ = scene_after(1)
    ask = {"currency": "ETH", "start_timestamp": START_MS - 2_500_000, "resolution": "1"}
    end: int | None = START_MS
    starts: list[int] = []
    for left in (1_000, 1_000, 501):
        answer = scene.result("get_volatility_index_data", **ask, end_timestamp=end)
        rows = [row[0] for row in answer["data"]]
        assert len(rows) == left
        starts = rows + starts
        end = answer["continuation"]
    assert end is None
    assert starts == list(range(START_MS - 2_500_000, START_MS + 1, 1_000))


def test_candles_can_be_fractions() -> None:
    market = open_market()
    sent(market, 1)
    params = {
        "currency": "BTC",
        "start_timestamp": START_MS - 10**6,
        "end_timestamp": START_MS,
        "resolution": 60,
    }
    percents = Scene(market).result("get_volatility_index_data", **params)["data"]
    fractions = Scene(market, fractions=True).result("get_volatility_index_data", **params)["data"]
    assert [[row[0], *(v / 100 for v in row[1:])] for row in percents] == [
        [row[0], *map(pytest.approx, row[1:])] for row in fractions
    ]
    assert refusal(Scene(market), "get_volatility_index_data", currency="BTC")[0] == 400


def test_instruments_are_listed_with_odd_ones_among_them() -> None:
    scene = Scene()
    listed = {i["instrument_name"]: i for i in scene.result("get_instruments", currency="any")}
    btc, linear, dated = listed[BTC], listed["BTC_USDC-PERPETUAL"], listed["BTC-25DEC26"]
    assert (btc["instrument_type"], btc["contract_size"], btc["quote_currency"]) == (
        "reversed",
        10,
        "USD",
    )
    assert (linear["instrument_type"], linear["contract_size"]) == ("linear", 0.001)
    assert (dated["settlement_period"], dated["expiration_timestamp"]) == (
        "month",
        1_798_185_600_000,
    )
    assert btc["expiration_timestamp"] == 32_503_708_800_000
    assert {i.get("kind") for i in listed.values()} == {"future", "option", "spot"}
    assert {i.get("state") for i in listed.values()} >= {"open", "closed", None}
    futures = scene.result("get_instruments", currency="BTC", kind="future")
    assert {i["instrument_name"] for i in futures} == {BTC, "BTC-25DEC26", "BTC-20NOV26"}
    expired = scene.result("get_instruments", currency="BTC", kind="future", expired="true")
    assert [i["instrument_name"] for i in expired] == ["BTC-26JUN26"]
    assert refusal(scene, "get_instruments", currency="NOPE")[0] == 400


def test_the_book_of_rest_is_the_published_one() -> None:
    scene, messages = scene_after(3)
    newest = data_of(messages, f"book.{BTC}.100ms")[-1]
    book = scene.result("get_order_book", instrument_name=BTC, depth=20)
    assert book["change_id"] == newest["change_id"]
    bids, asks = scene.market.truth().book_at(BTC, book["change_id"]).top(20)
    for sent_levels, true in ((book["bids"], bids), (book["asks"], asks)):
        assert sent_levels == [[float(price), float(amount)] for price, amount in true]
    assert refusal(scene, "get_order_book", instrument_name=BTC, depth=3)[0] == 400
    scene.rest.inject(StaleSnapshot(1))
    stale = scene.result("get_order_book", instrument_name=BTC)
    assert stale["change_id"] < book["change_id"]
    assert scene.result("get_order_book", instrument_name=BTC)["change_id"] == book["change_id"]


def test_the_other_methods() -> None:
    scene, _ = scene_after(1)
    summaries = scene.result("get_book_summary_by_currency", currency="BTC", kind="future")
    assert [s["instrument_name"] for s in summaries] == [BTC, "BTC-25DEC26"]
    assert scene.result("status")["locked"] == "false"
    assert scene.result("get_time") == START_MS + 1_000
    hour = {"start_timestamp": 0, "end_timestamp": 3_600_000}
    rate = scene.result("get_funding_rate_value", instrument_name=BTC, **hour)
    assert rate == pytest.approx(4.23171e-7)
    status, error = refusal(scene, "get_funding_rate_value", instrument_name="BTC-25DEC26", **hour)
    assert (status, error["code"]) == (400, -32602)


def test_unknown_methods_and_other_verbs() -> None:
    scene = Scene()
    assert refusal(scene, "nothing")[1]["code"] == -32601
    assert refusal(scene, "subscribe", channels="a")[1]["code"] == -32601
    posted = scene.rest.respond(Request("POST", "/api/v2/public/get_time", {}))
    assert posted.status == 400


def test_faults_of_rest() -> None:
    scene = Scene()
    scene.rest.inject(ServerError(503))
    assert scene.get("get_time").status == 503
    scene.rest.inject(SlowAnswer(0.5))
    assert (scene.get("get_time").delay, scene.get("get_time").delay) == (0.5, 0.0)
    for fault in (Throttle(1), Ban(1)):
        scene.rest.inject(fault)
        assert scene.get("get_time").status == 429
        assert "result" in scene.call("public/get_time")  # WebSocket is not concerned
        scene.now += 1.0
        assert scene.get("get_time").status == 200
    assert scene.counts["requests_429"] == 2
