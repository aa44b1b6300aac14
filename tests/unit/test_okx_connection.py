"""One connection: what it asks for, what answers, errors and notices mean."""

import json
from typing import Any

import pytest

from mprism.feeds.errors import Refused
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, BookState, Reject, Replace, Resubscribe
from tests.unit.okx_payloads import ETH_SPOT, RECV_NS, SPOT, book, event, trade
from tests.unit.okx_socket import Socket, told

BOOKS = "books:BTC-USDT"
FILLS = "trades-all:BTC-USDT"
HOUR_NS = 3_600_000_000_000


def opened(**more: Any) -> Socket:
    return Socket(acknowledged=False, **more)


def many(count: int) -> list[Instrument]:
    return [Instrument("okx_spot", "spot", f"A{n}-B", f"A{n}-B") for n in range(count)]


def asked(actions: list[Action]) -> list[list[str]]:
    """The streams of each request among actions."""
    return [line.split()[1:] for line in told(actions) if line.startswith("subscribe ")]


def test_opening_asks_for_every_stream() -> None:
    socket = opened()
    (request,) = socket.requests
    assert request == {
        "id": "1",
        "op": "subscribe",
        "args": [
            {"channel": "books", "instId": "BTC-USDT"},
            {"channel": "trades-all", "instId": "BTC-USDT"},
            {"channel": "books", "instId": "ETH-USDT"},
            {"channel": "trades-all", "instId": "ETH-USDT"},
        ],
    }
    assert socket.connection.unacknowledged == list(socket.states)
    assert not any(state.acknowledged for state in socket.states.values())


def test_many_streams_are_asked_for_in_parts() -> None:
    socket = Socket(*many(250), data_types=["trade"], acknowledged=False)
    parts = [(request["id"], len(request["args"])) for request in socket.requests]
    assert parts == [("1", 100), ("2", 100), ("3", 50)]
    names = [f"{arg['channel']}:{arg['instId']}" for r in socket.requests for arg in r["args"]]
    assert names == list(socket.states)


def test_a_request_is_never_too_long() -> None:
    instruments = [
        Instrument("okx_spot", "spot", f"A{n}-B", f"A{n}-" + "B" * 2_000) for n in range(90)
    ]
    socket = Socket(*instruments, data_types=["trade"], acknowledged=False)
    assert max(len(json.dumps(request)) for request in socket.requests) < 64_000
    assert sum(len(request["args"]) for request in socket.requests) == 90


@pytest.mark.parametrize("id_", [{"id": "1"}, {}, {"id": "7"}])
def test_every_stream_is_acknowledged_by_itself(id_: dict[str, str]) -> None:
    socket = opened()
    for number, stream in enumerate(list(socket.states)[::-1], 1):
        assert socket.frame(event("subscribe", stream, **id_)) == []
        assert socket.states[stream].acknowledged
        assert len(socket.connection.unacknowledged) == 4 - number
    # Once more does no harm.
    assert socket.frame(event("subscribe", BOOKS)) == []


def test_data_is_as_good_as_an_acknowledgement() -> None:
    socket = opened()
    assert told(socket.push(FILLS, trade(1))) == ["trade 1"]
    assert socket.states[FILLS].acknowledged
    assert FILLS not in socket.connection.unacknowledged


def test_an_acknowledgement_of_others_is_not_ours() -> None:
    socket = opened()
    for frame in (event("subscribe", "books:DOGE-USDT"), event("unsubscribe"), event("subscribe")):
        assert told(socket.frame(frame)) == ["not subscribed"]
    assert len(socket.connection.unacknowledged) == 4


def test_pongs_and_counts_of_connections_are_nothing() -> None:
    socket = opened()
    assert socket.frame("pong") == []
    for name in ("channel-conn-count", "channel-conn-count-error"):
        assert socket.frame(event(name, channel="orders", connCount="2")) == []


@pytest.mark.parametrize("code", ["64008", "64001", 64008])
def test_an_announced_end_replaces_the_connection(code: str | int) -> None:
    (action,) = Socket().frame(event("notice", code=code, msg="Please reconnect."))
    assert action == Replace(f"the exchange announced {code}: Please reconnect.")


def error(msg: str, code: str = "60018", **more: Any) -> str:
    return event("error", code=code, msg=msg, **more)


WRONG = "Wrong URL or channel:{},instId:{} doesn't exist. Please use the correct URL."


@pytest.mark.parametrize("id_", [{"id": "1"}, {}])
def test_a_stream_that_is_named_is_refused_alone(id_: dict[str, str]) -> None:
    socket = opened()
    text = WRONG.format("books", "BTC-USDT")
    reject, later, state = socket.frame(error(text, **id_))
    detail = f"code 60018, {text!r}"
    assert reject == Reject("subscription refused", f"{BOOKS}: {detail}")
    assert later == Resubscribe(BOOKS, 0, refused=True)
    assert state == BookState("BTC-USDT", False, f"refused: {detail}")
    assert socket.states[BOOKS].refused == detail
    assert BOOKS not in socket.connection.unacknowledged
    assert len(socket.connection.unacknowledged) == 3
    assert told(socket.push(FILLS, trade(1))) == ["trade 1"]
    # It is asked for again, much later and alone.
    assert told(socket.resubscribe(BOOKS)) == [f"subscribe {BOOKS}"]
    assert socket.states[BOOKS].refused is None
    socket.frame(event("subscribe", BOOKS))
    assert told(socket.push(BOOKS, book(-1, 300), action="snapshot")) == ["live", "s300"]
    # Whoever wanted it meanwhile has it now.
    assert socket.resubscribe(BOOKS) == []


def test_names_are_whole_words() -> None:
    short = Instrument("okx_derivatives", "perpetual", "BTC-USDT", "BTC-USDT")
    longer = Instrument("okx_derivatives", "perpetual", "BTC-USDT-X", "BTC-USDT-SWAP")
    socket = Socket(short, longer, data_types=["orderbook", "trade"], acknowledged=False)
    socket.frame(error(WRONG.format("trades-all", "BTC-USDT-SWAP"), id="1"))
    refused = [name for name, state in socket.states.items() if state.refused]
    assert refused == ["trades-all:BTC-USDT-SWAP"]


def test_an_error_that_names_nothing_is_looked_for_in_halves() -> None:
    socket = opened()
    socket.frame(event("subscribe", BOOKS, id="1"))
    bad = "books:ETH-USDT"
    actions = socket.frame(error("Invalid request", "60012", id="1"))
    assert asked(actions) == [[FILLS, bad], ["trades-all:ETH-USDT"]]
    assert len(socket.connection.unacknowledged) == 3
    # The first half has it.
    socket.frame(event("subscribe", "trades-all:ETH-USDT", id="3"))
    actions = socket.frame(error("Invalid request", "60012", id="2"))
    assert asked(actions) == [[FILLS], [bad]]
    socket.frame(event("subscribe", FILLS, id="4"))
    actions = socket.frame(error("Invalid request", "60012", id="5"))
    assert told(actions)[0] == "subscription refused"
    assert [name for name, state in socket.states.items() if state.refused] == [bad]
    assert socket.connection.unacknowledged == []


def test_an_error_without_an_id_is_looked_for_in_all_requests() -> None:
    socket = Socket(*many(150), data_types=["trade"], acknowledged=False)
    actions = socket.frame(error("Invalid request"))
    assert [len(part) for part in asked(actions)] == [75, 75]
    assert len(socket.connection.unacknowledged) == 150


def test_an_error_of_a_request_for_one_stream_means_that() -> None:
    socket = Socket(SPOT, ETH_SPOT, data_types=["trade"], acknowledged=False)
    socket.frame(event("subscribe", FILLS))
    seen = told(socket.frame(error("Something")))
    assert seen == ["subscription refused", "resubscribe trades-all:ETH-USDT 0"]
    assert socket.states["trades-all:ETH-USDT"].refused


def test_errors_of_nothing_are_counted() -> None:
    socket = Socket()
    for frame in (error("x"), error("x", id="9"), error("x", id="1"), event("error")):
        assert told(socket.frame(frame)) == ["error answer"]
    assert not any(state.refused for state in socket.states.values())
    pending = opened()
    assert told(pending.frame(error("x", id="9"))) == ["error answer"]


def test_a_connection_whose_streams_are_all_refused_is_refused() -> None:
    socket = Socket(SPOT, data_types=["orderbook", "trade"], acknowledged=False)
    socket.frame(error(WRONG.format("books", "BTC-USDT"), id="1"))
    actions = socket.connection.receive(error(WRONG.format("trades-all", "BTC-USDT")), RECV_NS)
    seen: list[Action] = []
    with pytest.raises(Refused, match="every stream refused, at last trades-all:BTC-USDT: code"):
        seen += actions
    # What is told before is not lost.
    assert told(seen) == ["subscription refused", f"resubscribe {FILLS} 0"]


@pytest.mark.parametrize("code", ["60014", "63999", "50026"])
def test_errors_that_pass_refuse_nothing(code: str) -> None:
    socket = opened()
    (action,) = socket.frame(error("Requests too frequent.", code, id="1"))
    assert isinstance(action, Replace)
    assert code in action.reason
    assert not any(state.refused for state in socket.states.values())


def broken() -> Socket:
    """A connection that has asked for a book anew."""
    socket = Socket(SPOT, ETH_SPOT, data_types=["orderbook"])
    socket.push(BOOKS, book(-1, 100), action="snapshot")
    socket.push(BOOKS, book(200, 205), action="update")
    assert told(socket.resubscribe(BOOKS)) == [f"unsubscribe {BOOKS}", f"subscribe {BOOKS}"]
    return socket


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("id_", [{"id": "2"}, {}])
def test_a_stream_that_cannot_be_ended_has_ended(named: bool, id_: dict[str, str]) -> None:
    socket = broken()
    if not named and not id_:
        socket.frame(event("subscribe", BOOKS))
    text = WRONG.format("books", "BTC-USDT") if named else "Invalid request"
    assert socket.frame(error(text, **id_)) == []
    socket.frame(event("subscribe", BOOKS))
    assert socket.connection.unacknowledged == []
    push = socket.push(BOOKS, book(-1, 300), action="snapshot")
    assert told(push) == ["live", "s300"]
    assert socket.states[BOOKS].refused is None


def test_a_stream_may_be_refused_when_it_is_asked_for_anew() -> None:
    socket = broken()
    socket.frame(event("unsubscribe", BOOKS))
    text = WRONG.format("books", "BTC-USDT")
    assert told(socket.frame(error(text, id="3")))[0] == "subscription refused"
    assert socket.connection.unacknowledged == []


def test_the_hourly_requests_are_never_exceeded() -> None:
    socket = Socket(SPOT, data_types=["orderbook"])
    replace = Replace("the connection's hourly requests are used up")
    for _ in range(239):
        socket.push(BOOKS, book(-1, 100), action="snapshot")
        socket.push(BOOKS, book(200, 205), action="update")
        assert len(told(socket.resubscribe(BOOKS))) == 2
        socket.frame(event("unsubscribe", BOOKS))
        socket.frame(event("subscribe", BOOKS))
    socket.push(BOOKS, book(-1, 100), action="snapshot")
    socket.push(BOOKS, book(200, 205), action="update")
    # One at the opening, 478 since: one is left.
    assert told(socket.resubscribe(BOOKS)) == [f"unsubscribe {BOOKS}", replace.reason]
    assert socket.resubscribe(BOOKS, RECV_NS + HOUR_NS - 1) == [replace, replace]
    asked = told(socket.resubscribe(BOOKS, RECV_NS + HOUR_NS))
    assert asked == [f"unsubscribe {BOOKS}", f"subscribe {BOOKS}"]


def test_messages_are_counted_by_stream_and_in_all() -> None:
    socket = Socket()
    socket.push(FILLS, trade(1))
    socket.push(FILLS, trade(1), trade(2))
    socket.connection.receive("pong", 7)
    assert socket.states[FILLS].messages == socket.continuity.messages == 2
    assert socket.states[FILLS].last_recv_ns == RECV_NS
    assert socket.states[BOOKS].messages == 0
    assert socket.states[BOOKS].last_recv_ns is None
