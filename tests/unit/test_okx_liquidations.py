"""Liquidations of OKX: whole messages, ids, and whose they are."""

from typing import Any

import pytest

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity
from mprism.schema import Liquidation
from tests.unit.okx_payloads import (
    DATED,
    DERIVATIVES,
    INVERSE,
    LINEAR,
    TIME,
    TIME_MS,
    detail,
    liquidated,
    place,
)
from tests.unit.okx_socket import Socket, told

ORDERS = "liquidation-orders:SWAP"


def liquidations(**settings: Any) -> Socket:
    return Socket(*DERIVATIVES, data_types=["liquidation"], **settings)


def expected(instrument: Instrument, **changes: Any) -> Liquidation:
    fields: dict[str, Any] = {
        "liquidation_id": f"{TIME_MS}-buy-13-86000.5",
        "side": "buy",
        "position_side": "short",
        "price": "86000.5",
        "average_price": None,
        "quantity": "0.13",
        "filled_quantity": None,
        "quantity_unit": "base",
        "contract_size": "0.01",
        "notional_value": "11180.065",
        "status": None,
        "liquidation_time": TIME,
    }
    return Liquidation(**place(instrument) | fields | changes)


def test_a_liquidation_of_a_linear_contract() -> None:
    assert liquidations().push(ORDERS, liquidated(detail())) == [expected(LINEAR)]


def test_a_liquidation_of_an_inverse_contract() -> None:
    entry = liquidated(detail(side="sell", posSide="long"), instrument="BTC-USD-SWAP")
    assert liquidations().push(ORDERS, entry) == [
        expected(
            INVERSE,
            liquidation_id=f"{TIME_MS}-sell-13-86000.5",
            side="sell",
            position_side="long",
            quantity="13",
            quantity_unit="contracts",
            contract_size="100",
            notional_value="1300",
        )
    ]


def test_a_liquidation_of_a_dated_contract() -> None:
    entry = liquidated(detail(), instrument="BTC-USD-261225")
    (event,) = liquidations().push("liquidation-orders:FUTURES", entry)
    assert isinstance(event, Liquidation)
    assert event.symbol == "BTC-USD-261225"


@pytest.mark.parametrize(
    ("side", "position", "closed"),
    [
        ("sell", "net", "long"),
        ("buy", "net", "short"),
        ("sell", "", "long"),
        ("sell", None, "long"),
        ("buy", "sideways", "short"),
        ("sell", "long", "long"),
        ("sell", "short", "short"),
        ("buy", "long", "long"),
    ],
)
def test_the_position_that_was_liquidated(side: str, position: str | None, closed: str) -> None:
    (event,) = liquidations().push(ORDERS, liquidated(detail(side=side, posSide=position)))
    assert isinstance(event, Liquidation)
    assert (event.side, event.position_side) == (side, closed)


@pytest.mark.parametrize("price", ["", "0", None])
def test_a_liquidation_without_a_price(price: str | None) -> None:
    (event,) = liquidations().push(ORDERS, liquidated(detail(bkPx=price)))
    assert isinstance(event, Liquidation)
    assert event.price is event.notional_value is None
    assert event.liquidation_id == f"{TIME_MS}-buy-13-{price or ''}"


def test_liquidations_are_published_once_whatever_their_order() -> None:
    continuity = Continuity()
    socket = liquidations(continuity=continuity)
    first, second, old = detail(), detail(sz="7"), detail(ts=str(TIME_MS - 60_000))
    names = [f"liquidation {TIME_MS}-buy-{size}-86000.5" for size in (13, 7)]
    oldest = f"liquidation {TIME_MS - 60_000}-buy-13-86000.5"
    assert told(socket.push(ORDERS, liquidated(second, first))) == names[::-1]
    assert told(socket.push(ORDERS, liquidated(old))) == [oldest]
    # A new connection begins with those of the past.
    socket = liquidations(continuity=continuity)
    late = detail(sz="9")
    actions = socket.push(ORDERS, liquidated(old, first, second), liquidated(late))
    assert told(actions) == [f"liquidation {TIME_MS}-buy-9-86000.5"]
    assert continuity.duplicates == 3


def test_identical_liquidations_of_one_push_are_told_apart() -> None:
    socket = liquidations()
    name = f"liquidation {TIME_MS}-buy-13-86000.5"
    inverse = liquidated(detail(), instrument="BTC-USD-SWAP")
    push = [liquidated(detail(), detail()), inverse, liquidated(detail())]
    assert told(socket.push(ORDERS, *push)) == [name, f"{name}-2", name, f"{name}-3"]
    assert socket.push(ORDERS, *push) == []
    # In the next push they are the same again.
    assert socket.push(ORDERS, liquidated(detail())) == []


def test_liquidations_of_other_instruments_are_left_out() -> None:
    socket = liquidations()
    other = liquidated(detail(), {"bad": 1}, instrument="IOST-USDT-SWAP")
    assert told(socket.push(ORDERS, other, liquidated(detail()))) == [
        f"liquidation {TIME_MS}-buy-13-86000.5"
    ]


def test_liquidations_of_all_listed_instruments() -> None:
    socket = Socket(DATED, data_types=["liquidation"], liquidations="all", listed=DERIVATIVES)
    assert list(socket.states) == [ORDERS, "liquidation-orders:FUTURES"]
    other = liquidated(detail(), instrument="IOST-USDT-SWAP")
    assert told(socket.push(ORDERS, other, liquidated(detail()))) == [
        "unknown value",
        f"liquidation {TIME_MS}-buy-13-86000.5",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"side": "net"}, "unknown value"),
        ({"side": None}, "malformed event"),
        ({"sz": ""}, "malformed value"),
        ({"sz": "0"}, "malformed value"),
        ({"sz": "1" * 40}, "malformed value"),
        ({"bkPx": "x"}, "malformed value"),
        ({"ts": "x"}, "malformed event"),
    ],
)
def test_a_bad_liquidation_costs_only_itself(changes: dict[str, Any], reason: str) -> None:
    actions = liquidations().push(ORDERS, liquidated(detail(**changes), detail(sz="7")))
    assert told(actions) == [reason, f"liquidation {TIME_MS}-buy-7-86000.5"]


@pytest.mark.parametrize("entry", [{}, 7, None, {"instId": "BTC-USDT-SWAP", "details": None}])
def test_an_entry_without_liquidations_is_refused(entry: object) -> None:
    assert told(liquidations().push(ORDERS, entry)) == ["malformed event"]
