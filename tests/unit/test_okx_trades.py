"""Trades of OKX: every fill, or what taker orders got at a price."""

from typing import Any

import pytest

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity, Gap, Reject
from mprism.schema import Trade
from tests.unit.okx_payloads import INVERSE, LINEAR, SPOT, TIME_MS, aggregate, place, pushed, trade
from tests.unit.okx_socket import Socket, told

FILLS = "trades-all:BTC-USDT"
AGGREGATES = "trades:BTC-USDT"


def fills(*instruments: Instrument, continuity: Continuity | None = None) -> Socket:
    return Socket(*instruments or (SPOT,), data_types=["trade"], continuity=continuity)


def aggregates(*instruments: Instrument) -> Socket:
    return Socket(*instruments or (SPOT,), data_types=["trade"], trades="aggregated")


def expected(instrument: Instrument, **changes: Any) -> Trade:
    fields: dict[str, Any] = place(instrument) | {
        "trade_id": "130639474",
        "price": "42219.90",
        "quantity": "0.12060306",
        "quantity_unit": "base",
        "contract_size": None,
        "side": "buy",
        "is_maker": False,
        "first_trade_id": None,
        "last_trade_id": None,
        "backfilled": False,
    }
    return Trade(**fields | changes)


def test_a_fill() -> None:
    assert fills().push(FILLS, trade(130639474)) == [expected(SPOT)]


def test_an_aggregate_names_the_fills_that_it_covers() -> None:
    (event,) = aggregates().push(AGGREGATES, aggregate(130639474, side="sell"))
    assert event == expected(
        SPOT,
        side="sell",
        is_maker=True,
        first_trade_id="130639472",
        last_trade_id="130639474",
    )


def test_quantities_of_linear_contracts_are_in_base_currency() -> None:
    row = trade(130639474, instId="BTC-USDT-SWAP", sz="12.5")
    (event,) = fills(LINEAR).push("trades-all:BTC-USDT-SWAP", row)
    assert event == expected(LINEAR, quantity="0.125", contract_size="0.01")


def test_quantities_of_inverse_contracts_are_contracts() -> None:
    row = trade(130639474, instId="BTC-USD-SWAP", sz="12")
    (event,) = fills(INVERSE).push("trades-all:BTC-USD-SWAP", row)
    assert event == expected(INVERSE, quantity="12", quantity_unit="contracts", contract_size="100")


def test_missing_fills_are_a_gap_and_known_ones_duplicates() -> None:
    continuity = Continuity()
    socket = fills(continuity=continuity)
    assert told(socket.push(FILLS, trade(1), trade(2))) == ["trade 1", "trade 2"]
    assert socket.push(FILLS, trade(2)) == []
    # A later connection knows of the earlier one's.
    later = fills(continuity=continuity)
    gap, event = later.push(FILLS, trade(6))
    assert gap == Gap("trade", "BTC-USDT", 3, 5)
    assert told([event]) == ["trade 6"]
    assert continuity.duplicates == 1


def test_an_aggregate_is_followed_by_the_fills_that_it_covers() -> None:
    socket = aggregates()
    assert told(socket.push(AGGREGATES, aggregate(10))) == ["trade 10"]
    assert told(socket.push(AGGREGATES, aggregate(12, count="2"))) == ["trade 12"]
    assert told(socket.push(AGGREGATES, aggregate(15, count="2"))) == [
        "trade gap 13-13",
        "trade 15",
    ]


def test_without_a_count_nothing_can_be_said_of_gaps() -> None:
    socket = aggregates()
    rows = [aggregate(number) for number in (10, 17, 17, 20)]
    for row in rows:
        del row["count"]
    actions = socket.push(AGGREGATES, *rows)
    assert told(actions) == ["trade 10", "trade 17", "trade 20"]
    for event in actions:
        assert isinstance(event, Trade)
        assert event.first_trade_id is event.last_trade_id is None
    assert socket.continuity.duplicates == 1


def test_a_count_on_the_channel_of_fills_means_nothing() -> None:
    socket = fills()
    (event,) = socket.push(FILLS, aggregate(7, count="3"))
    assert isinstance(event, Trade)
    assert event.first_trade_id is None
    assert told(socket.push(FILLS, aggregate(8, count="0"))) == ["trade 8"]


def test_ids_that_begin_anew_are_told() -> None:
    socket = fills()
    socket.push(FILLS, trade(100))
    later = trade(5, ts=str(TIME_MS + 1))
    assert told(socket.push(FILLS, later)) == ["trade ids went back", "trade 5"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instId": "ETH-USDT"}, "malformed event"),
        ({"instId": None}, "malformed event"),
        ({"tradeId": ""}, "malformed event"),
        ({"tradeId": "x"}, "malformed event"),
        ({"tradeId": "-1"}, "malformed event"),
        ({"tradeId": str(2**63)}, "malformed event"),
        ({"ts": ""}, "malformed event"),
        ({"ts": "9223372036855"}, "malformed event"),
        ({"px": 7}, "malformed event"),
        ({"px": ""}, "malformed trade"),
        ({"px": "0"}, "malformed trade"),
        ({"sz": "-1"}, "malformed trade"),
        ({"sz": "1e5"}, "malformed trade"),
        ({"side": "both"}, "unknown value"),
        ({"side": ""}, "unknown value"),
    ],
)
def test_a_bad_trade_costs_only_itself(changes: dict[str, Any], reason: str) -> None:
    socket = fills()
    actions = socket.push(FILLS, trade(1), trade(2) | changes, trade(2))
    assert told(actions) == ["trade 1", reason, "trade 2"]
    assert isinstance(actions[1], Reject)
    assert actions[1].detail.startswith(FILLS)
    assert socket.states[FILLS].messages == socket.continuity.messages == 1


@pytest.mark.parametrize("count", ["0", "-1", "9", "x", "9" * 30])
def test_a_count_that_cannot_be_is_no_trade(count: str) -> None:
    (reject,) = aggregates().push(AGGREGATES, aggregate(7, count=count))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed trade"


@pytest.mark.parametrize("count", ["", None])
def test_an_empty_count_is_one_that_is_not_told(count: str | None) -> None:
    socket = aggregates()
    (event,) = socket.push(AGGREGATES, aggregate(7, count=count))
    assert isinstance(event, Trade)
    assert (event.first_trade_id, event.last_trade_id) == (None, None)
    assert told(socket.push(AGGREGATES, aggregate(9, count=count))) == ["trade 9"]


def test_trades_of_one_push_are_taken_by_their_ids() -> None:
    socket = fills()
    assert told(socket.push(FILLS, trade(3), trade(1), trade(2))) == [
        "trade 1",
        "trade 2",
        "trade 3",
    ]


def test_a_quantity_that_cannot_be_computed_is_no_trade() -> None:
    socket = fills(LINEAR)
    row = trade(1, instId="BTC-USDT-SWAP", sz="1" * 40)
    assert told(socket.push("trades-all:BTC-USDT-SWAP", row)) == ["malformed value"]
    # It does not count as seen.
    row = trade(1, instId="BTC-USDT-SWAP")
    assert told(socket.push("trades-all:BTC-USDT-SWAP", row)) == ["trade 1"]


def test_a_push_of_nothing_readable_is_no_data() -> None:
    socket = fills()
    assert told(socket.frame(pushed(FILLS, {}, 7))) == ["malformed event"] * 2
    assert socket.push(FILLS) == []
    assert socket.states[FILLS].messages == socket.continuity.messages == 0
    assert socket.states[FILLS].last_recv_ns is None
