"""Trades and aggregates of trades: what is published, what is missing, what was seen before."""

import pytest

from mprism.feeds.binance.market import SPOT, USDM
from mprism.feeds.protocol import Continuity, Gap, Reject
from mprism.schema import Trade
from tests.unit.binance_payloads import RECV_NS, Socket, aggregate, told, trade

TRADES = "btcusdt@trade"


def test_a_trade_is_normalised() -> None:
    (message,) = Socket(SPOT).event(TRADES, trade(12_345))
    assert message == Trade(
        exchange="binance_spot",
        market_type="spot",
        symbol="BTC-USDT",
        instrument_id="BTCUSDT",
        timestamp="2023-11-14T22:13:20.001Z",
        ts_event=1_700_000_000_001_000_000,
        ts_recv=RECV_NS,
        trade_id="12345",
        price="27785.10",
        quantity="0.01400000",
        quantity_unit="base",
        contract_size=None,
        side="sell",
        is_maker=True,
    )


def test_an_aggregate_names_the_trades_that_it_covers() -> None:
    (message,) = Socket(USDM).event("btcusdt@aggTrade", aggregate(7, f=100, l=105))
    assert isinstance(message, Trade)
    assert (message.trade_id, message.first_trade_id, message.last_trade_id) == ("7", "100", "105")
    assert (message.exchange, message.market_type) == ("binance_derivatives", "perpetual")
    assert (message.side, message.is_maker) == ("buy", False)
    assert message.quantity == "0.014"


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, "sell"), (False, "buy")])
def test_the_side_is_the_takers(buyer_is_maker: bool, side: str) -> None:
    (message,) = Socket(SPOT).event(TRADES, trade(m=buyer_is_maker))
    assert isinstance(message, Trade)
    assert (message.side, message.is_maker) == (side, buyer_is_maker)


@pytest.mark.parametrize("origin", ["INSURANCE_FUND", "ADL", "NA", "SOMETHING_NEW"])
def test_fills_that_are_no_trades_of_the_book_leave_nothing(origin: str) -> None:
    socket = Socket(SPOT)
    assert socket.event(TRADES, trade(7, X=origin, p="0", q="0")) == []
    assert told(socket.event(TRADES, trade(8, X="MARKET"))) == ["trade 8"]
    # Their ids are used up, and not missing.
    assert socket.event(TRADES, trade(9, X=origin)) == []
    assert told(socket.event(TRADES, trade(10))) == ["trade 10"]


def test_trades_that_are_missing_are_a_gap() -> None:
    socket = Socket(SPOT)
    assert told(socket.event(TRADES, trade(100))) == ["trade 100"]
    assert told(socket.event(TRADES, trade(101))) == ["trade 101"]
    gap, message = socket.event(TRADES, trade(105))
    assert gap == Gap("trade", "BTC-USDT", 102, 104)
    assert told([message]) == ["trade 105"]
    # Each instrument counts for itself.
    other = socket.event("ethusdt@trade", trade(7, s="ETHUSDT"))
    assert told(other) == ["trade 7"]


def test_trades_seen_before_are_duplicates_on_any_connection() -> None:
    continuity = Continuity()
    old, new = Socket(SPOT, continuity=continuity), Socket(SPOT, continuity=continuity)
    assert told(old.event(TRADES, trade(100))) == ["trade 100"]
    assert new.event(TRADES, trade(100)) == []
    assert new.event(TRADES, trade(99)) == []
    assert told(new.event(TRADES, trade(101))) == ["trade 101"]
    assert old.event(TRADES, trade(101)) == []
    assert continuity.duplicates == 3
    # What was missed between connections shows on the new one.
    assert told(Socket(SPOT, continuity=continuity).event(TRADES, trade(104))) == [
        "trade gap 102-103",
        "trade 104",
    ]


def test_ids_that_go_back_in_a_later_trade_begin_a_new_count() -> None:
    """As when the exchange counts anew, or one id was wrong: else all that follows is dropped."""
    socket = Socket(SPOT)
    assert told(socket.event(TRADES, trade(100, T=1_000))) == ["trade 100"]
    assert told(socket.event(TRADES, trade(10**15, T=1_001)))[-1] == f"trade {10**15}"
    reject, message = socket.event(TRADES, trade(101, T=1_002))
    assert isinstance(reject, Reject)
    assert reject.reason == "trade ids went back"
    assert told([message]) == ["trade 101"]
    assert told(socket.event(TRADES, trade(102, T=1_003))) == ["trade 102"]
