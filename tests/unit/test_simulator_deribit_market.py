"""The simulated Deribit market: books that chain, trades in arrays, tickers, volatility."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from mprism.simulator.deribit.catalog import select
from mprism.simulator.deribit.tickers import Channel
from mprism.simulator.faults import Maintenance, ResetSequence
from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueTape
from tests.unit.deribit_scene import (
    CONTRACTS,
    START_MS,
    START_US,
    Scene,
    data_of,
    open_market,
    payload,
    sent,
)

BTC, SOL, DATED = "BTC-PERPETUAL", "SOL_USDC-PERPETUAL", "BTC-25DEC26"


def tape_of(scene: Scene, data_type: str, symbol: str) -> ValueTape:
    (tape,) = [
        tape
        for tape in scene.market.truth().values()
        if (tape.data_type, tape.symbol) == (data_type, symbol)
    ]
    return tape


def test_the_same_seed_makes_the_same_messages_however_time_is_cut() -> None:
    once = sent(open_market(), 3)
    assert once == sent(open_market(), 3, step_us=130_000)
    assert once != sent(open_market(seed=2), 3)


@pytest.mark.parametrize("name", CONTRACTS)
def test_book_changes_chain_and_lead_from_any_opening_to_the_truth(name: str) -> None:
    scene = Scene()
    sent(scene.market, 1.23)
    _, opening = scene.subscribe(f"book.{name}.100ms")
    book = opening["params"]["data"]
    assert book["type"] == "snapshot"
    assert "prev_change_id" not in book
    sides = {side: {price: amount for _, price, amount in book[side]} for side in ("bids", "asks")}
    changes = data_of(sent(scene.market, 12), f"book.{name}.100ms")
    assert changes
    truth = scene.market.truth()
    for previous, change in pairwise([book, *changes]):
        assert change["prev_change_id"] == previous["change_id"] < change["change_id"]
        for side, levels in sides.items():
            apply(levels, change[side])
        bids, asks = truth.book_at(name, change["change_id"]).top()
        assert sorted(sides["bids"].items(), reverse=True) == as_floats(bids)
        assert sorted(sides["asks"].items()) == as_floats(asks)
    jumps = [b["change_id"] - a["change_id"] for a, b in pairwise(changes)]
    assert min(jumps, default=2) > 1


def apply(levels: dict[float, float], changes: list[Any]) -> None:
    for action, price, amount in changes:
        assert (action == "new") == (price not in levels)
        assert (action == "delete") == (amount == 0)
        if amount:
            levels[price] = amount
        else:
            del levels[price]


def as_floats(levels: list[tuple[str, str]]) -> list[tuple[float, float]]:
    return [(float(price), float(amount)) for price, amount in levels]


def test_a_still_book_says_nothing() -> None:
    market = open_market(rate=0)
    messages = sent(market, 5)
    assert not [m for m in messages if m["channel"].startswith(("book.", "trades."))]
    assert {m["channel"] for m in messages} >= {f"ticker.{BTC}.100ms", f"perpetual.{BTC}.agg2"}


@pytest.mark.parametrize("name", [BTC, "ETH-PERPETUAL", SOL])
def test_trades_come_in_arrays_and_are_numbered_without_a_gap(name: str) -> None:
    market = open_market()
    arrays = data_of(sent(market, 10), f"trades.{name}.100ms")
    trades = [trade for array in arrays for trade in array]
    assert max(map(len, arrays)) > 1
    assert len(arrays) <= 100
    assert all(b["trade_seq"] == a["trade_seq"] + 1 for a, b in pairwise(trades))
    prefix = {BTC: "", SOL: "SOL_USDC-"}.get(name, "ETH-")
    (contract,) = select((name,))
    truth = list(market.truth().trades(name))
    for trade, true in zip(trades, truth, strict=False):
        assert trade["trade_id"] == f"{prefix}{true.trade_id}"
        assert trade["trade_seq"] == true.trade_id
        assert trade["price"] == float(true.price)
        assert trade["amount"] == float(true.quantity)
        assert trade["contracts"] == float(Decimal(true.quantity) / Decimal(contract.contract_size))
        assert trade["direction"] == ("sell" if true.buyer_is_maker else "buy")
        assert trade["timestamp"] == true.time_us // 1_000
        assert trade["instrument_name"] == name
    for a, b in pairwise(trades):
        rose = (b["price"] > a["price"]) - (b["price"] < a["price"])
        assert b["tick_direction"] == {1: 0, -1: 2, 0: a["tick_direction"] | 1}[rose]


def test_funding_is_of_perpetuals_alone() -> None:
    scene = Scene()
    messages = sent(scene.market, 8)
    dated = data_of(messages, f"ticker.{DATED}.100ms")
    assert dated
    assert not [t for t in dated if t.keys() & {"current_funding", "funding_8h", "interest_value"}]
    assert f"perpetual.{DATED}.100ms" not in scene.market.channels
    assert dated[0]["last_price"] is None
    rates = {m["current_funding"] for m in data_of(messages, f"ticker.{BTC}.100ms")}
    assert len(rates) >= 3


@pytest.mark.parametrize("name", [BTC, SOL, DATED])
def test_what_tickers_tell_is_recorded_in_the_units_of_messages(name: str) -> None:
    scene = Scene()
    tickers = data_of(sent(scene.market, 5), f"ticker.{name}.100ms")
    records = list(tape_of(scene, "open_interest", name).records())
    assert [record.time_ms for record in records] == [t["timestamp"] for t in tickers]
    size = Decimal(select((name,))[0].contract_size)
    for ticker, record in zip(tickers, records, strict=True):
        fields, amount = record.fields, Decimal(str(ticker["open_interest"]))
        assert Decimal(str(fields["open_interest_contracts"])) == amount / size
        assert Decimal(str(fields["mark_price"])) == Decimal(str(ticker["mark_price"]))
        value = Decimal(str(fields["open_interest_value"]))
        if name == SOL:
            assert Decimal(str(fields["open_interest"])) == amount
            assert value == amount * Decimal(str(ticker["mark_price"]))
            assert "open_interest_usd" not in fields
        else:
            assert fields["open_interest"] == fields["open_interest_contracts"]
            assert Decimal(str(fields["open_interest_usd"])) == value == amount


def test_funding_is_recorded_by_the_channel_that_told_it() -> None:
    scene = Scene()
    messages = sent(scene.market, 10)
    records = {r.time_ms: r.fields for r in tape_of(scene, "funding_rate", BTC).records()}
    tickers = data_of(messages, f"ticker.{BTC}.100ms")
    perpetuals = data_of(messages, f"perpetual.{BTC}.100ms")
    assert len(records) == len(tickers) + len(perpetuals)
    for ticker in tickers:
        fields = records[ticker["timestamp"]]
        assert float(str(fields["current_funding_rate"])) == ticker["current_funding"]
        assert float(str(fields["mark_price"])) == ticker["mark_price"]
        assert float(str(fields["index_price"])) == ticker["index_price"]
    for perpetual in perpetuals:
        fields = records[perpetual["timestamp"]]
        assert float(str(fields["current_funding_rate"])) == perpetual["interest"]
        assert float(str(fields["index_price"])) == perpetual["index_price"]
        assert "mark_price" not in fields


def test_aggregated_channels_repeat_the_newest_message_once_a_second() -> None:
    messages = sent(open_market(), 6)
    for kind in ("ticker", "perpetual"):
        fast = data_of(messages, f"{kind}.{BTC}.100ms")
        slow = data_of(messages, f"{kind}.{BTC}.agg2")
        assert 5 <= len(slow) <= 7
        assert all(message in fast for message in slow)
        assert len(fast) > 2 * len(slow)


def test_a_message_is_aggregated_once() -> None:
    channel = Channel("ticker", BTC)
    assert channel.opening(f"ticker.{BTC}.agg2") is None
    assert list(channel.aggregate()) == []
    channel.put({"n": 1}, [])
    channel.put({"n": 2}, [])
    (aggregate,) = channel.aggregate()
    assert payload(aggregate).endswith(b'"data":{"n":2}}}')
    assert list(channel.aggregate()) == []


def test_volatility_comes_once_a_second_in_percent_points() -> None:
    scene = Scene()
    values = data_of(sent(scene.market, 10), "deribit_volatility_index.btc_usd")
    assert [v["timestamp"] - START_MS for v in values[1:]] == [n * 1_000 for n in range(1, 11)]
    assert all(v["index_name"] == "btc_usd" and 30 < v["volatility"] < 60 for v in values)
    records = list(tape_of(scene, "volatility_index", "btc_usd").records())
    assert [float(str(r.fields["volatility_index"])) for r in records] == [
        v["volatility"] for v in values
    ]


def test_the_platform_tells_of_its_maintenance_and_of_new_instruments() -> None:
    market = open_market()
    (locked,) = market.inject(Maintenance(1.0))
    assert b'"maintenance":true' in payload(locked)
    messages = sent(market, 21)
    states = data_of(messages, "platform_state")
    assert {"price_index": "btc_usd", "locked": False} in states
    assert states.count({"maintenance": False}) == 1
    (first, *_) = data_of(messages, "instrument.state.option.BTC")
    assert first["state"] == "created"
    assert first in data_of(messages, "instrument.state.any.any")
    assert market.inject(ResetSequence()) == ()


def test_truth_names_the_units_and_all_types() -> None:
    market = open_market()
    truth = market.truth()
    assert truth.exchange == "deribit_derivatives"
    assert truth.contract(BTC) == ("contracts", "0.1")
    assert truth.contract(SOL) == ("base", "1")
    assert truth.data_types == {
        "orderbook",
        "trade",
        "funding_rate",
        "open_interest",
        "liquidation",
        "volatility_index",
    }
    sent(market, 1)
    assert truth.outcomes()[Outcome.UNSUBSCRIBED] > 0
    assert market.now_us == START_US + 1_000_000


def test_a_contract_without_a_market_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="BTC-26JUN26"):
        select(("BTC-PERPETUAL", "BTC-26JUN26"))
