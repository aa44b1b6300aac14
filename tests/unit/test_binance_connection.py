"""One connection: what it asks for, what answers mean, trades, gaps and duplicates."""

import json
from typing import Any

import pytest

from mprism.feeds.binance.connection import BinanceConnection
from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.binance.streams import subscriptions
from mprism.feeds.binance.wire import AggregateTradeEvent, DepthEvent, TradeEvent
from mprism.feeds.errors import Refused
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import BookState, Continuity, Reject, Replace
from mprism.settings import OrderBookSettings
from tests.unit.binance_payloads import (
    BTC_SPOT,
    ETH_SPOT,
    INSTRUMENTS,
    RECV_NS,
    Socket,
    acknowledgement,
    depth,
    fetches,
    live_socket,
    snapshot,
    told,
    trade,
    wrapped,
)

MARKETS = pytest.mark.parametrize("market", [SPOT, USDM], ids=["spot", "usdm"])
TRADES = "btcusdt@trade"
DEPTH = "btcusdt@depth@100ms"


@pytest.mark.parametrize(
    ("market", "streams"),
    [
        (SPOT, ["btcusdt@depth@100ms", "btcusdt@trade", "ethusdt@depth@100ms", "ethusdt@trade"]),
        (
            USDM,
            [
                "btcusdt@depth@100ms",
                "btcusdt@aggTrade",
                "ethusdt@depth@100ms",
                "ethusdt@aggTrade",
            ],
        ),
    ],
)
def test_the_streams_of_a_market(market: Market, streams: list[str]) -> None:
    chosen = subscriptions(market, INSTRUMENTS[market.exchange], ("orderbook", "trade"))
    assert [subscription.stream for subscription in chosen] == streams
    trade_event = TradeEvent if market is SPOT else AggregateTradeEvent
    assert [subscription.event for subscription in chosen] == [DepthEvent, trade_event] * 2


@MARKETS
def test_opening_asks_for_every_stream_and_tells_that_no_book_is_there(market: Market) -> None:
    socket = Socket(market)
    (request,) = socket.requests
    assert request == {
        "method": "SUBSCRIBE",
        "params": list(socket.states),
        "id": 1,
    }
    waiting = "waiting for its first snapshot"
    assert socket.opening[:2] == [
        BookState("BTC-USDT", False, waiting),
        BookState("ETH-USDT", False, waiting),
    ]
    assert list(socket.connection.unacknowledged) == list(socket.states)


def test_many_streams_are_asked_for_in_parts() -> None:
    instruments = [Instrument("binance_spot", "spot", f"A{n}-B", f"A{n}B") for n in range(250)]
    streams = subscriptions(SPOT, instruments, ["trade"])
    connection = BinanceConnection(SPOT, streams, OrderBookSettings(), Continuity(), {})
    requests = [json.loads(action.frame) for action in connection.open()]  # type: ignore[union-attr]
    assert [(request["id"], len(request["params"])) for request in requests] == [
        (1, 100),
        (2, 100),
        (3, 50),
    ]
    asked = [stream for request in requests for stream in request["params"]]
    assert asked == [stream.stream for stream in streams]
    # Each part is acknowledged by itself, in any order.
    list(connection.receive(acknowledgement(2), RECV_NS))
    assert list(connection.unacknowledged) == asked[:100] + asked[200:]


@MARKETS
def test_an_acknowledgement_starts_the_books(market: Market) -> None:
    socket = Socket(market)
    assert not any(state.acknowledged for state in socket.states.values())
    asked = fetches(socket.acknowledge())
    assert [fetch.key for fetch in asked] == ["BTCUSDT", "ETHUSDT"]
    assert all(state.acknowledged for state in socket.states.values())
    assert list(socket.connection.unacknowledged) == []
    # A second one is not ours.
    assert told(socket.acknowledge()) == ["unknown answer"]


def test_an_event_before_the_acknowledgement_starts_its_book() -> None:
    socket = Socket(SPOT)
    assert told(socket.event(DEPTH, depth(1, 2))) == ["fetch 0"]
    assert [fetch.key for fetch in fetches(socket.acknowledge())] == ["ETHUSDT"]


ERRORS: list[dict[str, Any]] = [
    {"code": 2, "msg": "Invalid request: unknown method"},
    {"code": 0, "msg": "Unknown property"},
    {"error": {"code": 2, "msg": "Invalid request"}},
    {"error": {}},
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("number", [{}, {"id": None}, {"id": 1}])
def test_an_error_answer_to_an_open_request_is_a_refusal(
    error: dict[str, Any], number: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match=r"subscription refused: code"):
        Socket(SPOT).receive(json.dumps(error | number))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("number", [{"id": 2}, {"id": -1}, {"id": "x"}, {"id": "1"}, {"id": 2**70}])
def test_an_error_answer_to_another_request_is_not(
    error: dict[str, Any], number: dict[str, Any]
) -> None:
    socket = Socket(SPOT)
    assert told(socket.receive(json.dumps(error | number))) == ["error answer"]
    assert socket.acknowledge()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("number", [{}, {"id": None}, {"id": 1}])
def test_an_error_answer_without_an_open_request_refuses_nothing(
    error: dict[str, Any], number: dict[str, Any]
) -> None:
    socket = Socket(SPOT)
    socket.acknowledge()
    (reject,) = socket.receive(json.dumps(error | number))
    assert isinstance(reject, Reject)
    assert reject.reason == "error answer"
    assert str(error.get("msg", error.get("error", {}).get("msg", ""))) in reject.detail


def test_a_raw_shutdown_replaces_the_connection() -> None:
    (action,) = Socket(SPOT).receive('{"e":"serverShutdown","E":1770123456789}')
    assert action == Replace("the server announced its shutdown")


@pytest.mark.parametrize("error", [{"error": "no such stream"}, {"code": "-1121", "msg": "no"}])
def test_errors_of_another_shape_refuse_too(error: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no"):
        Socket(SPOT).receive(json.dumps({**error, "id": 1}))


@pytest.mark.parametrize("number", [7, -1, "1", "abc", None, 2**70])
def test_an_answer_to_nothing_acknowledges_nothing(number: object) -> None:
    socket = Socket(SPOT)
    assert told(socket.receive(json.dumps({"result": None, "id": number}))) == ["unknown answer"]
    assert len(socket.connection.unacknowledged) == 4


@pytest.mark.parametrize("stream", ["!serverShutdown", TRADES])
def test_an_announced_shutdown_replaces_the_connection(stream: str) -> None:
    (action,) = Socket(SPOT).event(stream, {"e": "serverShutdown", "E": 1_770_123_456_789})
    assert action == Replace("the server announced its shutdown")


def test_messages_are_counted_by_stream_and_in_all() -> None:
    socket = Socket(SPOT)
    socket.acknowledge()
    socket.event(TRADES, trade(1))
    socket.event(TRADES, trade(1))
    socket.connection.receive(wrapped(DEPTH, depth(1, 2)), 77)
    assert socket.states[TRADES].messages == 2
    assert socket.states[TRADES].last_recv_ns == RECV_NS
    assert socket.states[DEPTH].last_recv_ns == 77
    assert socket.states["ethusdt@trade"].messages == 0
    assert socket.states["ethusdt@trade"].last_recv_ns is None
    assert socket.continuity.messages == 3


def test_one_book_is_resynchronised_and_the_other_goes_on() -> None:
    socket = Socket(SPOT)
    socket.acknowledge()
    for stream, symbol in ((DEPTH, "BTCUSDT"), ("ethusdt@depth@100ms", "ETHUSDT")):
        socket.event(stream, depth(90, 100, s=symbol))
        assert told(socket.snapshot(snapshot(100), symbol)) == ["live", "s100"]
    state, fetch = socket.event(DEPTH, depth(105, 110))
    assert isinstance(state, BookState)
    assert (state.symbol, state.live) == ("BTC-USDT", False)
    assert fetches([fetch])[0].key == "BTCUSDT"
    other = socket.event("ethusdt@depth@100ms", depth(101, 110, s="ETHUSDT"))
    assert told(other) == ["u100>110"]


def test_republishing_finds_the_book_by_its_symbol() -> None:
    socket = Socket(SPOT)
    socket.acknowledge()
    assert list(socket.connection.republish("BTC-USDT", 1)) == []
    socket.event(DEPTH, depth(90, 100))
    socket.snapshot(snapshot(100))
    assert told(socket.connection.republish("BTC-USDT", 1)) == ["s100"]
    assert list(socket.connection.republish("ETH-USDT", 1)) == []
    assert list(socket.connection.republish("DOGE-USDT", 1)) == []


def test_what_is_not_subscribed_has_no_book() -> None:
    streams = subscriptions(SPOT, [BTC_SPOT, ETH_SPOT], ["trade"])
    connection = BinanceConnection(SPOT, streams, OrderBookSettings(), Continuity(), {})
    assert told(connection.open()) == ["send"]
    assert told(connection.receive(acknowledgement(), 1)) == []
    assert list(connection.republish("BTC-USDT", 1)) == []


def test_acknowledgements_need_no_result() -> None:
    socket = Socket(SPOT)
    socket.receive('{"id":1}')
    assert list(socket.connection.unacknowledged) == []
    assert told(socket.receive(acknowledgement())) == ["unknown answer"]


def test_nothing_is_asked_for_twice_on_one_connection() -> None:
    # A book is mended by REST.
    assert list(live_socket().connection.resubscribe(DEPTH, RECV_NS)) == []
