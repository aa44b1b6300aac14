"""Deribit's trades, and the liquidations that the stream tells of."""

from typing import Any

import pytest

from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.protocol import Action, Continuity, Gap, Reject
from mprism.schema import Liquidation, Trade
from tests.unit.deribit_payloads import BTC, BTC_USDC, RECV_NS, TIME_MS, Socket, raw, trade

TRADES = "trades.BTC-PERPETUAL.100ms"
LINEAR = "trades.BTC_USDC-PERPETUAL.100ms"


def linear(seq: int, **changes: Any) -> dict[str, Any]:
    """A trade of BTC_USDC-PERPETUAL."""
    own = {"instrument_name": "BTC_USDC-PERPETUAL", "amount": raw("1.5e-2")}
    return trade(seq, trade_id=f"BTC_USDC-{seq}", **own) | changes


def told(actions: list[Action]) -> list[str]:
    """The events among actions, in short, and the reasons of rejects."""
    words = []
    for action in actions:
        if isinstance(action, Trade):
            words.append(f"trade {action.trade_id}")
        elif isinstance(action, Liquidation):
            words.append(f"liquidation {action.liquidation_id}")
        elif isinstance(action, Reject):
            words.append(action.reason)
    return words


def test_a_trade_of_an_inverse_contract_is_published() -> None:
    assert Socket().push(TRADES, [trade(271_252_855, trade_id="403691825")]) == [
        Trade(
            exchange="deribit_derivatives",
            market_type="perpetual",
            symbol="BTC-USD",
            instrument_id="BTC-PERPETUAL",
            timestamp="2026-09-23T03:24:00.638Z",
            ts_event=TIME_MS * 1_000_000,
            ts_recv=RECV_NS,
            trade_id="403691825",
            price="92288.5",
            quantity="75.0",
            quantity_unit="contracts",
            contract_size="10",
            side="sell",
            is_maker=True,
        )
    ]


def test_a_trade_of_a_linear_contract_is_published() -> None:
    socket = Socket(BTC_USDC)
    assert socket.push(LINEAR, [linear(7, direction="buy", price=raw("9.2e4"))]) == [
        Trade(
            exchange="deribit_derivatives",
            market_type="perpetual",
            symbol="BTC-USDC",
            instrument_id="BTC_USDC-PERPETUAL",
            timestamp="2026-09-23T03:24:00.638Z",
            ts_event=TIME_MS * 1_000_000,
            ts_recv=RECV_NS,
            trade_id="BTC_USDC-7",
            price="92000",
            quantity="0.015",
            quantity_unit="base",
            contract_size="0.0001",
            side="buy",
            is_maker=False,
        )
    ]


def test_trades_of_one_message_are_put_in_order() -> None:
    socket = Socket()
    old = trade(11)
    del old["contracts"]
    assert told(socket.push(TRADES, [trade(12), old, trade(13)])) == [
        "trade 411",
        "trade 412",
        "trade 413",
    ]
    assert socket.push(TRADES, []) == []
    state = socket.states[TRADES]
    assert (state.messages, state.last_recv_ns) == (1, RECV_NS)
    assert socket.continuity.messages == 1


def test_missing_trades_are_a_gap_and_repeated_ones_duplicates() -> None:
    continuity = Continuity()
    first, second = Socket(continuity=continuity), Socket(continuity=continuity)
    first.push(TRADES, [trade(11)])
    gap, message = second.push(TRADES, [trade(11), trade(15)])
    assert gap == Gap("trade", "BTC-USD", 12, 14)
    assert told([message]) == ["trade 415"]
    assert continuity.duplicates == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"price": raw("0.0")},
        {"price": raw("-1.5")},
        {"price": None},
        {"amount": raw("1e99")},
        {"amount": raw("0.0")},
        {"amount": "many"},
        {"direction": "up"},
        {"trade_seq": "11"},
        {"trade_id": 411},
        {"trade_id": "41\r\n1"},
        {"trade_id": "411\n"},
        {"trade_id": "\u0664"},
        {"trade_id": ""},
        {"trade_id": "4" * 65},
        {"timestamp": -1},
        {"instrument_name": "ETH-PERPETUAL"},
        {"liquidation": 1},
    ],
)
def test_a_malformed_trade_costs_no_other(changes: dict[str, Any]) -> None:
    socket = Socket()
    actions = socket.push(TRADES, [trade(11), trade(12) | changes, trade(13)])
    assert told(actions) == ["malformed trade", "trade 411", "trade 413"]
    assert Gap("trade", "BTC-USD", 12, 12) in actions
    assert told(Socket().push(TRADES, [trade(12) | changes, 7])) == ["malformed trade"] * 2


def test_malformed_trades_alone_are_no_valid_data() -> None:
    socket = Socket()
    socket.push(TRADES, [trade(12, price=None)])
    assert socket.states[TRADES].messages == socket.continuity.messages == 0


def test_a_liquidated_taker_is_published() -> None:
    _, liquidation = Socket().push(TRADES, [trade(11, liquidation="T")])
    assert liquidation == Liquidation(
        exchange="deribit_derivatives",
        market_type="perpetual",
        symbol="BTC-USD",
        instrument_id="BTC-PERPETUAL",
        timestamp="2026-09-23T03:24:00.638Z",
        ts_event=TIME_MS * 1_000_000,
        ts_recv=RECV_NS,
        liquidation_id="411-T",
        side="sell",
        position_side="long",
        price="92288.5",
        average_price="92288.5",
        quantity="75.0",
        filled_quantity="75.0",
        quantity_unit="contracts",
        contract_size="10",
        notional_value="750.0",
        status="FILLED",
        liquidation_time="2026-09-23T03:24:00.638Z",
    )


def test_a_liquidated_maker_of_a_linear_contract_is_published() -> None:
    _, liquidation = Socket(BTC_USDC).push(LINEAR, [linear(7, liquidation="M")])
    assert isinstance(liquidation, Liquidation)
    assert liquidation.liquidation_id == "BTC_USDC-7-M"
    assert (liquidation.side, liquidation.position_side) == ("buy", "short")
    assert (liquidation.quantity, liquidation.quantity_unit) == ("0.015", "base")
    assert (liquidation.notional_value, liquidation.contract_size) == ("1384.3275", "0.0001")


def test_both_sides_of_a_trade_can_be_liquidated() -> None:
    actions = Socket().push(TRADES, [trade(11, liquidation="MT", direction="buy")])
    assert told(actions) == ["trade 411", "liquidation 411-T", "liquidation 411-M"]
    taker, maker = (action for action in actions if isinstance(action, Liquidation))
    assert (taker.side, taker.position_side) == ("buy", "short")
    assert (maker.side, maker.position_side) == ("sell", "long")


def test_a_flag_that_is_not_known_is_counted_and_costs_nothing() -> None:
    actions = Socket().push(TRADES, [trade(11, liquidation="Q"), trade(12, liquidation="")])
    assert told(actions) == ["trade 411", "unknown value", "trade 412"]


def test_a_value_that_cannot_be_written_exactly_costs_the_liquidation_alone() -> None:
    digits = {"price": raw("1." + "3" * 35), "amount": raw("1." + "7" * 35)}
    actions = Socket(BTC_USDC).push(LINEAR, [linear(7, liquidation="T", **digits)])
    assert told(actions) == ["trade BTC_USDC-7", "malformed trade"]


def test_only_what_is_configured_is_published() -> None:
    row = trade(11, liquidation="T")
    assert told(Socket(data_types=["trade"]).push(TRADES, [row])) == ["trade 411"]
    socket = Socket(data_types=["liquidation"])
    assert told(socket.push(TRADES, [row])) == ["liquidation 411-T"]
    assert told(socket.push(TRADES, [trade(15, liquidation="T")])) == ["liquidation 415-T"]


def test_a_liquidation_is_published_once_on_any_connection() -> None:
    published = PublishedLiquidations()
    sockets = [Socket(BTC, BTC_USDC, published=published) for _ in range(2)]
    assert len(told(sockets[0].push(TRADES, [trade(11, liquidation="T")]))) == 2
    assert told(sockets[1].push(TRADES, [trade(11, liquidation="T")])) == ["trade 411"]
    # The same id on another instrument is another liquidation.
    same = linear(7, trade_id="411", liquidation="T")
    assert told(sockets[1].push(LINEAR, [same])) == ["trade 411", "liquidation 411-T"]


def test_the_memory_of_liquidations_is_bounded() -> None:
    socket = Socket(data_types=["liquidation"])
    socket.push(TRADES, [trade(n, liquidation="T") for n in range(20_001)])
    assert socket.push(TRADES, [trade(20_000, liquidation="T")]) == []
    assert socket.push(TRADES, [trade(1, liquidation="T")]) == []
    assert told(socket.push(TRADES, [trade(0, liquidation="T")])) == ["liquidation 40-T"]
