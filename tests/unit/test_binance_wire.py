"""Whatever comes over the wire is refused with a reason, and the connection goes on."""

import json
from typing import Any

import pytest

from mprism.feeds.binance.market import USDM
from mprism.feeds.protocol import Reject
from tests.unit.binance_payloads import (
    REASONS,
    Socket,
    aggregate,
    depth,
    depth_usdm,
    live_socket,
    snapshot,
    told,
    trade,
    wrapped,
)

TRADES = "btcusdt@trade"
DEPTH = "btcusdt@depth@100ms"
HUGE = "9" * 30
TRADE_TEXT = wrapped(TRADES, trade())


def without(data: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != key}


FRAMES: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "invalid JSON"),
    ("blank", " \n", "invalid JSON"),
    ("truncated", TRADE_TEXT[:-1], "invalid JSON"),
    ("truncated in a string", TRADE_TEXT[:20], "invalid JSON"),
    ("two objects", TRADE_TEXT * 2, "invalid JSON"),
    ("rubbish behind", TRADE_TEXT + "]", "invalid JSON"),
    ("HTML", "<html><body>502 Bad Gateway</body></html>", "invalid JSON"),
    ("a NUL", "\x00", "invalid JSON"),
    ("a byte order mark", "\ufeff" + TRADE_TEXT, "invalid JSON"),
    ("a bare NaN", '{"id":NaN}', "invalid JSON"),
    ("a bare Infinity", '{"data":{"e":"trade","t":Infinity}}', "invalid JSON"),
    ("a lone high surrogate, escaped", '{"stream":"\\ud800"}', "invalid JSON"),
    ("a lone low surrogate, escaped", '{"data":{"e":"\\udc00xx"}}', "invalid JSON"),
    ("a lone surrogate, raw", '{"stream":"\ud800"}', "invalid JSON"),
    ("nested without end, unused", '{"x":' + "[" * 100_000, "invalid JSON"),
    ("nested without end, as data", '{"data":{"e":' + "[" * 100_000, "invalid JSON"),
    ("nested without end, top", "[" * 100_000, "invalid JSON"),
    ("nested and closed", '{"data":' + "[" * 500 + "]" * 500 + "}", "malformed frame"),
    ("an array", "[1,2]", "not an object"),
    ("an array of events", f"[{TRADE_TEXT}]", "not an object"),
    ("a number", "42", "not an object"),
    ("a string", '"pong"', "not an object"),
    ("null", "null", "not an object"),
    ("binary", TRADE_TEXT.encode(), "binary frame"),
    ("2 MB of binary", bytes(2_000_000), "binary frame"),
    ("2 MB of text", "x" * 2_000_000, "invalid JSON"),
    ("2 MB of an unknown event", wrapped(TRADES, {"e": "x" * 2_000_000}), "unknown event"),
    ("data is a string", wrapped(TRADES, "trade"), "malformed frame"),
    ("data is an array", wrapped(TRADES, [trade()]), "malformed frame"),
    ("data is empty", wrapped(TRADES, {}), "malformed frame"),
    ("data is null", wrapped(TRADES, None), "unknown answer"),
    ("no data", '{"stream":"btcusdt@trade"}', "unknown answer"),
    ("an empty object", "{}", "unknown answer"),
    ("a raw event, not wrapped", json.dumps(trade()), "unknown answer"),
    ("a stream that is a number", '{"stream":7,"data":{"e":"trade"}}', "malformed event"),
    ("an id that is an object", '{"result":null,"id":{}}', "malformed frame"),
    ("an id that is a fraction", '{"result":null,"id":1.5}', "malformed frame"),
    ("a huge id", f'{{"result":null,"id":{HUGE}}}', "unknown answer"),
    ("an id of 5,000 digits", f'{{"result":null,"id":{"9" * 5_000}}}', "invalid JSON"),
    ("an error that is a string", '{"error":"no"}', "error answer"),
    ("a code that is a string", '{"code":"2","msg":"no"}', "error answer"),
    ("an error that is a list", '{"error":["no"]}', "malformed frame"),
    ("an unknown event", wrapped(TRADES, {"e": "kline", "s": "BTCUSDT"}), "unknown event"),
    ("an event in capitals", wrapped(TRADES, trade(e="TRADE")), "unknown event"),
    ("an event that is a list", wrapped(TRADES, trade(e=["trade"])), "malformed frame"),
    ("an event that is an object", wrapped(TRADES, trade(e={"e": "trade"})), "malformed frame"),
    ("an event that is a number", wrapped(TRADES, trade(e=1)), "malformed frame"),
    ("an event that is null", wrapped(TRADES, trade(e=None)), "malformed frame"),
    ("no event", wrapped(TRADES, without(trade(), "e")), "malformed frame"),
    ("no stream", json.dumps({"data": trade()}), "not subscribed"),
    ("a stream that is null", wrapped(None, trade()), "not subscribed"),  # type: ignore[arg-type]
    ("an unknown stream", wrapped("dogeusdt@trade", trade(s="DOGEUSDT")), "not subscribed"),
    ("an unknown event of an unknown stream", wrapped("x@y", {"e": "y"}), "not subscribed"),
    ("a stream in capitals", wrapped("BTCUSDT@trade", trade()), "not subscribed"),
    ("a symbol of another stream", wrapped(TRADES, trade(s="ETHUSDT")), "malformed event"),
    ("an empty symbol", wrapped(TRADES, trade(s="")), "malformed event"),
    ("a trade on a book's stream", wrapped(DEPTH, trade()), "malformed event"),
    ("a book on a trade's stream", wrapped(TRADES, depth(1, 2)), "malformed event"),
    ("an aggregate on a trade's stream", wrapped(TRADES, aggregate()), "malformed event"),
]
TRADE_CHANGES: list[tuple[str, Any, str]] = [
    ("p", 27785.1, "malformed event"),
    ("p", None, "malformed event"),
    ("q", ["1"], "malformed event"),
    ("t", "1", "malformed event"),
    ("t", -1, "malformed event"),
    ("t", 1.5, "malformed event"),
    ("t", 2**63, "malformed event"),
    ("t", None, "malformed event"),
    ("m", "true", "malformed event"),
    ("m", 1, "malformed event"),
    ("m", None, "malformed event"),
    ("T", "1700000000001", "malformed event"),
    ("T", -1, "malformed event"),
    ("T", 253_402_300_800_000, "malformed event"),  # the year 10000
    ("T", 9_223_372_036_855, "malformed event"),  # nanoseconds above 64 bits
    ("s", 7, "malformed event"),
    ("X", 7, "malformed event"),
    ("p", "", "malformed trade"),
    ("p", "0", "malformed trade"),
    ("p", "0.00000000", "malformed trade"),
    ("p", "-1", "malformed trade"),
    ("p", "NaN", "malformed trade"),
    ("p", "Infinity", "malformed trade"),
    ("p", "1e5", "malformed trade"),
    ("p", "1_000", "malformed trade"),
    ("p", "1,5", "malformed trade"),
    ("p", " 1", "malformed trade"),
    ("p", "\u0661", "malformed trade"),
    ("q", "", "malformed trade"),
    ("q", "0", "malformed trade"),
    ("q", "-0.5", "malformed trade"),
    ("q", "inf", "malformed trade"),
    ("q", "1.2.3", "malformed trade"),
    ("q", ".", "malformed trade"),
]
DEPTH_CHANGES: list[tuple[str, Any, str]] = [
    ("U", -1, "malformed event"),
    ("u", None, "malformed event"),
    ("u", 2**63, "malformed event"),
    ("E", "now", "malformed event"),
    ("E", 253_402_300_800_000, "malformed event"),
    ("b", None, "malformed levels"),
    ("b", {}, "malformed levels"),
    ("b", ["1", "2"], "malformed levels"),
    ("b", [[]], "malformed levels"),
    ("b", [["1"]], "malformed levels"),
    ("b", [["1", "2", "3"]], "malformed levels"),
    ("a", [[1, 2]], "malformed levels"),
    ("a", [["1", None]], "malformed levels"),
    ("pu", -1, "malformed event"),
    ("b", [["1", "-2"]], "malformed levels"),
    ("b", [["-1", "2"]], "malformed levels"),
    ("b", [["0", "2"]], "malformed levels"),
    ("b", [["", "2"]], "malformed levels"),
    ("a", [["101.00", "1"], ["102.00", "NaN"]], "malformed levels"),
    ("a", [["1e5", "2"]], "malformed levels"),
    ("a", [["1_0", "2"]], "malformed levels"),
    ("a", [["Infinity", "2"]], "malformed levels"),
]


def check_usable(socket: Socket, trade_id: int = 2) -> None:
    assert told(socket.event(TRADES, trade(trade_id))) == [f"trade {trade_id}"]
    assert told(socket.event(DEPTH, depth(101, 110))) == ["u100>110"]


@pytest.mark.parametrize(("frame", "reason"), [pytest.param(f, r, id=n) for n, f, r in FRAMES])
def test_a_malformed_frame_is_rejected_with_its_reason(frame: str | bytes, reason: str) -> None:
    socket = live_socket()
    (reject,) = socket.receive(frame)
    assert isinstance(reject, Reject)
    assert reject.reason == reason
    assert reason in REASONS
    assert reject.detail
    check_usable(socket)


@pytest.mark.parametrize(("key", "value", "reason"), TRADE_CHANGES)
def test_a_malformed_trade_is_rejected(key: str, value: object, reason: str) -> None:
    socket = live_socket()
    assert told(socket.event(TRADES, trade(1, **{key: value}))) == [reason]
    # It does not count as seen.
    check_usable(socket, 1)


@pytest.mark.parametrize("key", ["s", "t", "p", "q", "T", "m"])
def test_a_trade_lacks_a_field(key: str) -> None:
    assert told(live_socket().event(TRADES, without(trade(), key))) == ["malformed event"]


@pytest.mark.parametrize("key", ["s", "a", "p", "q", "f", "l", "T", "m"])
def test_an_aggregate_lacks_a_field(key: str) -> None:
    frame = wrapped("btcusdt@aggTrade", without(aggregate(), key))
    assert told(Socket(USDM).receive(frame)) == ["malformed event"]


@pytest.mark.parametrize(
    "changes", [{"f": -2}, {"l": 2**63}, {"f": "1"}, {"a": -1}, {"p": 1}, {"e": "trade"}]
)
def test_a_malformed_aggregate_is_rejected(changes: dict[str, Any]) -> None:
    event = wrapped("btcusdt@aggTrade", aggregate(**changes))
    assert told(Socket(USDM).receive(event)) == ["malformed event"]


def test_an_aggregate_that_was_declared_void_is_no_trade() -> None:
    socket = Socket(USDM)
    assert told(socket.event("btcusdt@aggTrade", aggregate(7))) == ["trade 7"]
    assert socket.event("btcusdt@aggTrade", aggregate(8, p="0", q="0", f=-1, l=-1)) == []
    # Its id is used up, and not missing.
    assert told(socket.event("btcusdt@aggTrade", aggregate(9))) == ["trade 9"]


@pytest.mark.parametrize(("key", "value", "reason"), DEPTH_CHANGES)
def test_a_malformed_update_is_rejected(key: str, value: object, reason: str) -> None:
    socket = live_socket()
    first, *then = told(socket.event(DEPTH, depth(101, 110) | {key: value}))
    assert first == reason
    if reason == "malformed event":
        assert then == []
        check_usable(socket)
    else:
        # What it changed is unknown, so the book is fetched anew.
        assert then == ["out: an update was malformed", "fetch 1"]
        assert told(socket.event(DEPTH, depth(111, 120))) == []
        assert told(socket.snapshot(snapshot(110))) == ["live", "s110", "u110>120"]


@pytest.mark.parametrize("key", ["s", "E", "U", "u", "b", "a"])
def test_an_update_lacks_a_field(key: str) -> None:
    socket = live_socket()
    assert told(socket.event(DEPTH, without(depth(101, 110), key))) == ["malformed event"]
    check_usable(socket)


@pytest.mark.parametrize(
    "frame",
    [
        wrapped(DEPTH, depth(101, 110, b=[], a=[])),
        wrapped(DEPTH, depth(101, 110, b=[["5", "0"]], a=[])),
        wrapped(DEPTH, depth(101, 110, new=[1, {}], T=None, pu=None)),
        wrapped(DEPTH, depth_usdm(101, 110, 100)),
        # Of a key that is there twice the last one counts, as in any JSON reader.
        wrapped(DEPTH, depth(101, 110)).replace('"U":', '"U":7,"U":'),
        wrapped(DEPTH, depth(101, 110)).replace('"stream":', '"stream":"x","stream":'),
        f" {wrapped(DEPTH, depth(101, 110))}\n",
    ],
)
def test_unusual_but_valid_updates_are_taken(frame: str) -> None:
    assert told(live_socket().receive(frame)) == ["u100>110"]
