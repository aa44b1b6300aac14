"""Liquidations of USD-M, of some symbols or of all of them."""

from math import inf
from typing import Any

import pytest

from mprism.feeds.binance.funding import Contracts
from mprism.feeds.binance.market import USDM
from mprism.feeds.binance.streams import subscriptions
from mprism.feeds.protocol import Continuity, Reject
from mprism.schema import Liquidation
from tests.unit.binance_contracts import BTC_DATED, PUSHED, force_order
from tests.unit.binance_payloads import BTC_USDM, ETH_USDM, RECV_NS, Socket, told, wrapped

STREAM = "btcusdt@forceOrder"
ALL = "!forceOrder@arr"
LISTED = {each.instrument_id: each for each in (BTC_USDM, ETH_USDM, BTC_DATED)}


def socket_of(all_of_them: bool = False, continuity: Continuity | None = None) -> Socket:
    """A connection with the liquidations of two contracts, or of all."""
    streams = subscriptions(
        USDM, [BTC_USDM, ETH_USDM], ["liquidation"], "all" if all_of_them else "symbols"
    )
    return Socket(USDM, None, continuity, streams=streams, contracts=Contracts(LISTED))


def liquidation(socket: Socket, stream: str, data: dict[str, Any]) -> Liquidation:
    (message,) = socket.event(stream, data)
    assert isinstance(message, Liquidation)
    return message


EXPECTED = Liquidation(
    exchange="binance_derivatives",
    market_type="perpetual",
    symbol="BTC-USDT",
    instrument_id="BTCUSDT",
    timestamp="2026-02-02T02:40:00.250Z",
    ts_event=PUSHED * 1_000_000,
    ts_recv=RECV_NS,
    liquidation_id=f"{PUSHED}-SELL-0.014-64700.50-0.014",
    side="sell",
    position_side="long",
    price="64700.50",
    average_price="64810.25",
    quantity="0.014",
    filled_quantity="0.014",
    quantity_unit="base",
    contract_size=None,
    notional_value="907.34350",
    status="FILLED",
    liquidation_time="2026-02-02T02:40:00.250Z",
)


@pytest.mark.parametrize("all_of_them", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        force_order(),
        force_order(st=None),
        force_order(pair=None),
        force_order(pair=None, ps="BTCUSDT"),  # inside of the order, as on COIN-M
        force_order(new=[1]) | {"new": {}},
    ],
)
def test_a_liquidation_is_normalised(all_of_them: bool, data: dict[str, Any]) -> None:
    assert liquidation(socket_of(all_of_them), ALL if all_of_them else STREAM, data) == EXPECTED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"S": "BUY"}, {"side": "buy", "position_side": "short"}),
        (
            {"q": "0.020", "z": "0.014", "X": "PARTIALLY_FILLED"},
            {
                "quantity": "0.020",
                "filled_quantity": "0.014",
                "notional_value": "907.34350",
                "status": "PARTIALLY_FILLED",
            },
        ),
        # Not filled yet: what it is for.
        (
            {"ap": "0", "z": "0", "X": "NEW"},
            {
                "average_price": None,
                "filled_quantity": "0",
                "notional_value": "905.80700",
                "status": "NEW",
            },
        ),
        ({"ap": "0.00"}, {"average_price": None, "notional_value": "905.80700"}),
        ({"ap": ""}, {"average_price": None, "notional_value": "905.80700"}),
        ({"p": "0"}, {"price": None, "notional_value": "907.34350"}),
        ({"p": "0", "ap": "0"}, {"price": None, "notional_value": None}),
        ({"z": ""}, {"filled_quantity": None, "notional_value": "905.80700"}),
        ({"X": "SOMETHING_NEW"}, {"status": "SOMETHING_NEW"}),
        ({"X": ""}, {"status": None}),
        ({"q": "1e-2"}, {"quantity": "0.01"}),
    ],
)
def test_values_of_a_liquidation(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    message = liquidation(socket_of(), STREAM, force_order(**changes))
    for name, value in expected.items():
        assert getattr(message, name) == value


@pytest.mark.parametrize("key", ["p", "ap", "X", "z"])
def test_a_liquidation_may_lack_a_field(key: str) -> None:
    data = force_order()
    del data["o"][key]
    names = {"p": "price", "ap": "average_price", "X": "status", "z": "filled_quantity"}
    assert getattr(liquidation(socket_of(), STREAM, data), names[key]) is None


@pytest.mark.parametrize("key", ["s", "S", "q", "T"])
def test_a_liquidation_lacks_a_field_that_it_needs(key: str) -> None:
    data = force_order()
    del data["o"][key]
    assert told(socket_of().event(STREAM, data)) == ["malformed event"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"S": "HOLD"}, "unknown value"),
        ({"S": "sell"}, "unknown value"),
        ({"S": ""}, "unknown value"),
        ({"q": "0"}, "malformed value"),
        ({"q": ""}, "malformed value"),
        ({"q": "-1"}, "malformed value"),
        ({"q": "NaN"}, "malformed value"),
        ({"p": "x"}, "malformed value"),
        ({"ap": "-1"}, "malformed value"),
        ({"z": "-0.1"}, "malformed value"),
        ({"z": "1 2"}, "malformed value"),
        ({"z": f"0.{'1' * 37}", "ap": f"0.{'1' * 37}"}, "malformed value"),
        ({"q": 0.014}, "malformed event"),
        ({"S": None}, "malformed event"),
        ({"T": "now"}, "malformed event"),
        ({"T": 10**16}, "malformed event"),
        ({"s": "ETHUSDT"}, "malformed event"),
    ],
)
def test_a_malformed_liquidation_is_rejected(changes: dict[str, Any], reason: str) -> None:
    socket = socket_of()
    (reject,) = socket.event(STREAM, force_order(**changes))
    assert isinstance(reject, Reject)
    assert reject.reason == reason
    assert socket.states[STREAM].messages == 0
    assert liquidation(socket, STREAM, force_order()) == EXPECTED


@pytest.mark.parametrize("order", [None, [], "x", {}, [force_order()["o"]]])
def test_an_order_that_is_none_is_rejected(order: object) -> None:
    assert told(socket_of().event(STREAM, force_order() | {"o": order})) == ["malformed event"]


def test_an_array_is_no_liquidation() -> None:
    assert told(socket_of(True).event(ALL, [force_order()])) == ["malformed frame"]


@pytest.mark.parametrize("stream", [STREAM, ALL])
def test_only_liquidations_of_usdm_are_taken(stream: str) -> None:
    socket = socket_of(stream == ALL)
    assert socket.event(stream, force_order(st=2)) == []
    assert socket.states[stream].messages == 1


@pytest.mark.parametrize("stream", [STREAM, ALL])
@pytest.mark.parametrize("margin_type", [0, 3, 2**70])
def test_a_margin_type_that_is_not_known_is_counted(stream: str, margin_type: int) -> None:
    socket = socket_of(stream == ALL)
    assert told(socket.event(stream, force_order(st=margin_type))) == ["unknown value"]


def test_coin_margined_contracts_are_left_out_of_the_whole_market() -> None:
    coin = {"s": "BTCUSD_PERP", "ps": "BTCUSD", "q": "12", "z": "12"}
    assert socket_of(True).event(ALL, force_order(st=2, pair=None, **coin)) == []
    # Without `st` the list of instruments tells.
    assert told(socket_of(True).event(ALL, force_order(st=None, pair=None, **coin))) == [
        "unknown value"
    ]


def test_the_whole_market_is_every_listed_contract() -> None:
    socket = socket_of(True)
    dated = liquidation(socket, ALL, force_order(s="BTCUSDT_260925"))
    assert (dated.market_type, dated.symbol) == ("futures", "BTC-USDT-260925")
    assert liquidation(socket, ALL, force_order(s="ETHUSDT")).symbol == "ETH-USDT"
    assert told(socket.event(ALL, force_order(s="NEWUSDT"))) == ["unknown value"]
    assert list(socket.states) == [ALL]


def test_a_liquidation_is_told_once_over_connections() -> None:
    continuity = Continuity()
    old, new = socket_of(continuity=continuity), socket_of(True, continuity)
    assert len(old.event(STREAM, force_order())) == 1
    assert new.event(ALL, force_order()) == []
    assert continuity.duplicates == 1
    # More of it is filled, or another symbol's has the same numbers: those are others.
    assert len(new.event(ALL, force_order(q="0.020", z="0.014"))) == 1
    assert len(new.event(ALL, force_order(q="0.020", z="0.020"))) == 1
    assert len(new.event(ALL, force_order(s="ETHUSDT"))) == 1


def test_silence_of_a_liquidation_stream_is_no_sign() -> None:
    streams = subscriptions(USDM, [BTC_USDM], ["trade", "liquidation", "funding_rate"])
    socket = Socket(USDM, streams=streams)
    assert {name: state.patience for name, state in socket.states.items()} == {
        "btcusdt@aggTrade": 0.0,
        STREAM: inf,
        "btcusdt@markPrice@1s": 0.0,
    }
    assert socket_of(True).states[ALL].patience == inf


def test_the_stream_of_the_whole_market_replaces_those_of_the_symbols() -> None:
    names = [
        each.stream
        for each in subscriptions(USDM, [BTC_USDM, BTC_DATED], ["trade", "liquidation"], "all")
    ]
    assert names == [ALL, "btcusdt@aggTrade", "btcusdt_260925@aggTrade"]
    (symbols, dated) = subscriptions(USDM, [BTC_USDM, BTC_DATED], ["liquidation"])
    assert (symbols.stream, dated.stream) == (STREAM, "btcusdt_260925@forceOrder")


def test_a_liquidation_belongs_on_its_own_stream() -> None:
    socket = Socket(USDM)
    assert told(socket.event("btcusdt@aggTrade", force_order())) == ["malformed event"]
    assert told(socket.receive(wrapped(ALL, force_order()))) == ["not subscribed"]
