"""Liquidations of simulated USD-M: shapes, the trades that they are, what is told of them."""

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from mprism.simulator.binance.liquidations import PAUSE_US, Liquidations
from mprism.simulator.instrument import Grid, Instrument
from mprism.simulator.market import Fill, TakerOrder
from tests.unit.simulator_api import START_MS, Api

INSTRUMENT = Instrument("BTCUSDT", "BTC", "USDT", Grid(2, 10), Grid(3), 1_000, 10)
SECONDS = 60


@pytest.fixture(scope="module")
def told() -> dict[str, list[Any]]:
    """What a minute of trading publishes, by stream, and the truth of it under ``""``."""
    api = Api("usdm", symbols=("BTCUSDT", "ETHUSDT"), levels=60, rate=150)
    streams: dict[str, list[Any]] = defaultdict(list)
    for stream, message in api.advance(SECONDS):
        streams[stream].append(message)
    streams[""] = [tape for tape in api.truth.values() if tape.data_type == "liquidation"]
    return streams


def test_a_liquidation_has_every_field(told: dict[str, list[Any]]) -> None:
    for event in told["btcusdt@forceOrder"]:
        assert event.keys() == {"e", "E", "o", "ps", "st"}
        assert (event["e"], event["ps"], event["st"]) == ("forceOrder", "BTCUSDT", 1)
        order = event["o"]
        assert order.keys() == {"s", "S", "o", "f", "q", "p", "ap", "X", "l", "z", "T", "zz"}
        assert (order["s"], order["o"], order["f"]) == ("BTCUSDT", "LIMIT", "IOC")
        assert event["E"] - 1_000 < order["T"] <= event["E"]
        filled, wanted = Decimal(order["z"]), Decimal(order["q"])
        assert 0 < Decimal(order["l"]) <= filled <= wanted
        assert order["X"] == ("FILLED" if filled == wanted else "PARTIALLY_FILLED")
        margin = (Decimal(order["p"]) - Decimal(order["ap"])) * (1 if order["S"] == "BUY" else -1)
        assert 0 < margin < Decimal(order["ap"]) / 100
    orders = [event["o"] for event in told["btcusdt@forceOrder"]]
    assert {order["S"] for order in orders} == {"BUY", "SELL"}
    assert {order["X"] for order in orders} == {"FILLED", "PARTIALLY_FILLED"}


def test_a_liquidation_is_the_trades_of_one_order(told: dict[str, list[Any]]) -> None:
    trades = defaultdict(list)
    for trade in told["btcusdt@trade"]:
        if trade["X"] == "MARKET":
            trades[trade["T"]].append(trade)
    whole = 0
    for order in (event["o"] for event in told["btcusdt@forceOrder"]):
        fills = trades[order["T"]]
        sold = [trade for trade in fills if trade["m"] == (order["S"] == "SELL")]
        quantity = sum((Decimal(trade["q"]) for trade in sold), Decimal())
        assert quantity >= Decimal(order["z"])
        # Other orders of the same moment may be among them.
        if quantity == Decimal(order["z"]):
            value = sum((Decimal(t["p"]) * Decimal(t["q"]) for t in sold), Decimal())
            assert abs(value / quantity - Decimal(order["ap"])) <= Decimal("0.005")
            assert sold[-1]["q"] == order["l"]
            whole += 1
    assert whole > 10


@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_at_most_one_a_second_of_a_symbol_is_told(told: dict[str, list[Any]], symbol: str) -> None:
    found = told[f"{symbol}@forceOrder"]
    assert SECONDS / 3 < len(found) < SECONDS
    assert all(b["E"] - a["E"] >= 1_000 for a, b in pairwise(found))
    assert all(b["o"]["T"] > a["o"]["T"] for a, b in pairwise(found))


def test_the_stream_of_all_carries_both_products(told: dict[str, list[Any]]) -> None:
    everything = told["!forceOrder@arr"]
    assert [event for event in everything if event["o"]["s"] == "BTCUSDT"] == (
        told["btcusdt@forceOrder"]
    )
    coin_margined = [event for event in everything if event["st"] == 2]
    assert {event["o"]["s"] for event in coin_margined} == {"BTCUSD_PERP", "ETHUSD_PERP"}
    for event in coin_margined:
        assert event.keys() == {"e", "E", "o", "st"}
        assert event["o"]["ps"] == event["o"]["s"].removesuffix("_PERP")
        assert event["o"]["q"].isdecimal()
    times = [event["E"] for event in coin_margined if event["o"]["s"] == "BTCUSD_PERP"]
    assert len(times) > 10
    assert all(b - a >= 1_000 for a, b in pairwise(times))


def test_the_truth_is_what_was_told_of_usdm(told: dict[str, list[Any]]) -> None:
    assert {tape.symbol for tape in told[""]} == {"BTCUSDT", "ETHUSDT"}
    for tape in told[""]:
        events = told[f"{tape.symbol.lower()}@forceOrder"]
        for event, record in zip(events, tape.records(), strict=True):
            order = event["o"]
            selling = order["S"] == "SELL"
            assert record.time_ms == order["T"]
            value = Decimal(record.fields["notional_value"])
            assert value == Decimal(order["ap"]) * Decimal(order["z"])
            assert {**record.fields, "notional_value": None} == {
                "side": "sell" if selling else "buy",
                "position_side": "long" if selling else "short",
                "price": order["p"],
                "average_price": order["ap"],
                "quantity": order["q"],
                "filled_quantity": order["z"],
                "notional_value": None,
            }


def test_the_newest_of_a_second_is_told_and_the_others_are_not() -> None:
    liquidations = Liquidations(INSTRUMENT, Random(1))
    for n, price in enumerate((1_000, 1_010, 1_020)):
        order = TakerOrder(buyer_is_maker=False, fills=[Fill(price, 2), Fill(price + 1, 1)])
        liquidations.note(order, START_MS * 1_000 + n * PAUSE_US[1])
    newest = liquidations.take()
    assert newest is not None
    assert newest.average_price == "102.03"
    assert (newest.selling, newest.last_lots, newest.filled_lots) == (False, 1, 3)
    assert liquidations.take() is None


def test_nothing_is_liquidated_where_nobody_trades() -> None:
    api = Api("usdm", levels=30, rate=0)
    assert [name for name, _ in api.advance(10) if "forceOrder" in name] == []
