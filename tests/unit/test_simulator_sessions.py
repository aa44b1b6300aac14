"""Requests on a stream connection, targets, and which streams are delivered."""

from typing import Any

import msgspec
import pytest

from mprism.simulator.binance.session import BinanceSession
from mprism.simulator.binance.target import Target, parse_target
from mprism.simulator.binance.venue import SPOT, USDM, Venue
from mprism.simulator.session import PolicyBreachError, UnknownPathError

SYMBOLS = ("btcusdt", "测试币usdt")


def open_session(venue: Venue = SPOT, target: str = "/stream") -> BinanceSession:
    served = {f"{s}@{channel}": route for s in SYMBOLS for channel, route in venue.channels.items()}
    return BinanceSession(
        parse_target(venue, target), served, nested_errors=venue.nested_errors, max_streams=3
    )


def ask(session: BinanceSession, request: object) -> Any:
    text = request if isinstance(request, str) else msgspec.json.encode(request).decode()
    (answer,) = session.receive(text)
    return msgspec.json.decode(answer)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/stream", Target("", True, 1_000, ())),
        ("/stream?streams=a@trade/b@depth", Target("", True, 1_000, ("a@trade", "b@depth"))),
        ("/ws", Target("", False, 1_000, ())),
        ("/ws/", Target("", False, 1_000, ())),
        ("/ws/a@trade/b@depth@100ms", Target("", False, 1_000, ("a@trade", "b@depth@100ms"))),
        ("/ws/a%40trade", Target("", False, 1_000, ("a@trade",))),
        ("/stream?streams=a%40trade%2Fb%40trade", Target("", True, 1_000, ("a@trade", "b@trade"))),
        ("/stream?timeUnit=MICROSECOND", Target("", True, 1, ())),
        ("/stream?streams=a@trade&timeUnit=microsecond", Target("", True, 1, ("a@trade",))),
        (
            "/stream?streams=%E6%B5%8B%E8%AF%95%E5%B8%81usdt@trade",
            Target("", True, 1_000, ("测试币usdt@trade",)),
        ),
    ],
)
def test_spot_targets(target: str, expected: Target) -> None:
    assert parse_target(SPOT, target) == expected


@pytest.mark.parametrize(
    ("target", "route", "combined"),
    [
        ("/public/stream", "public", True),
        ("/market/ws/a@aggTrade", "market", False),
        ("/private/stream", "private", True),
        ("/stream?streams=a@trade", "public", True),
        ("/ws", "public", False),
        ("/market/stream?timeUnit=MICROSECOND", "market", True),
    ],
)
def test_usdm_targets(target: str, route: str, combined: bool) -> None:
    parsed = parse_target(USDM, target)
    assert (parsed.route, parsed.combined, parsed.unit) == (route, combined, 1_000)


@pytest.mark.parametrize("target", ["/", "/nothing", "/public", "/stream/a@trade", "/public/x/ws"])
@pytest.mark.parametrize("venue", [SPOT, USDM])
def test_other_paths_are_unknown(venue: Venue, target: str) -> None:
    with pytest.raises(UnknownPathError):
        parse_target(venue, target)


def test_spot_has_no_routes() -> None:
    with pytest.raises(UnknownPathError):
        parse_target(SPOT, "/public/stream")


@pytest.mark.parametrize(
    "name", ["nosuch@trade", "BTCUSDT@trade", "btcusdt@nothing", "btcusdt", "", "btcusdt@kline_1m"]
)
def test_an_unknown_stream_is_acknowledged_and_not_delivered(name: str) -> None:
    session = open_session()
    request = {"method": "SUBSCRIBE", "params": [name, "btcusdt@trade"], "id": 1}
    assert ask(session, request) == {"result": None, "id": 1}
    assert session.delivered == ["btcusdt@trade"]
    listed = ask(session, {"method": "LIST_SUBSCRIPTIONS", "id": 2})
    assert listed == {"result": [name, "btcusdt@trade"], "id": 2}


@pytest.mark.parametrize(
    ("target", "delivered"),
    [
        ("/public/stream", ["btcusdt@trade", "btcusdt@depth@100ms"]),
        ("/stream", ["btcusdt@trade", "btcusdt@depth@100ms"]),
        ("/market/stream", ["btcusdt@aggTrade"]),
        ("/private/stream", []),
    ],
)
def test_usdm_delivers_only_the_streams_of_the_route(target: str, delivered: list[str]) -> None:
    session = open_session(USDM, target)
    params = ["btcusdt@trade", "btcusdt@aggTrade", "btcusdt@depth@100ms"]
    answer = ask(session, {"method": "SUBSCRIBE", "params": params, "id": 1})
    assert answer == {"result": None, "id": 1}
    assert session.delivered == delivered


def test_streams_in_the_target_are_subscribed_and_can_be_given_up() -> None:
    session = open_session(SPOT, "/stream?streams=btcusdt@trade/btcusdt@depth")
    assert session.delivered == ["btcusdt@trade", "btcusdt@depth"]
    request = {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade", "never@had"], "id": "x1"}
    assert ask(session, request) == {"result": None, "id": "x1"}
    assert session.delivered == ["btcusdt@depth"]


def test_a_stream_is_subscribed_once_however_often_it_is_named() -> None:
    session = open_session()
    for n in range(5):
        ask(session, {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": n})
    assert session.delivered == ["btcusdt@trade"]


def test_the_combined_property_is_set_and_read() -> None:
    session = open_session(SPOT, "/ws")
    read = {"method": "GET_PROPERTY", "params": ["combined"], "id": 2}
    assert ask(session, read) == {"result": False, "id": 2}
    write = {"method": "SET_PROPERTY", "params": ["combined", True], "id": None}
    assert ask(session, write) == {"result": None, "id": None}
    assert ask(session, read) == {"result": True, "id": 2}
    assert open_session(SPOT, "/stream").combined


BAD_IDS = [1.5, True, "with space", "a" * 37, 2**63, -(2**63) - 1, [1], {}]


@pytest.mark.parametrize(
    ("request_", "code", "has_id"),
    [
        ("{", 3, False),
        ("btcusdt@trade", 3, False),
        ("[]", 2, False),
        ({"params": ["a@trade"], "id": 1}, 2, False),
        ({"method": "subscribe", "params": ["a@trade"], "id": 1}, 2, False),
        ({"method": "SUBSCRIBE", "params": ["a@trade"]}, 2, False),
        *(({"method": "SUBSCRIBE", "params": [], "id": id_}, 2, False) for id_ in BAD_IDS),
        ({"method": "SUBSCRIBE", "params": "a@trade", "id": 1}, 2, False),
        ({"method": "SUBSCRIBE", "params": [], "id": 1, "more": 1}, 2, False),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2, True),
        ({"method": "LIST_SUBSCRIPTIONS", "params": ["a"], "id": 1}, 2, True),
        ({"method": "GET_PROPERTY", "params": [], "id": 1}, 2, True),
        ({"method": "GET_PROPERTY", "params": [7], "id": 1}, 2, True),
        ({"method": "GET_PROPERTY", "params": ["combined", True], "id": 1}, 2, True),
        ({"method": "GET_PROPERTY", "params": ["other"], "id": 1}, 0, True),
        ({"method": "SET_PROPERTY", "params": ["other", True], "id": 1}, 0, True),
        ({"method": "SET_PROPERTY", "params": ["combined"], "id": 1}, 1, True),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1, True),
    ],
)
def test_errors(request_: object, code: int, has_id: bool) -> None:
    flat = ask(open_session(SPOT), request_)
    assert flat["code"] == code
    assert flat["msg"]
    assert ("id" in flat) is has_id
    nested = ask(open_session(USDM), request_)
    assert nested["error"] == {"code": flat["code"], "msg": flat["msg"]}
    assert ("id" in nested) is has_id


@pytest.mark.parametrize("id_", [0, -5, 2**63 - 1, "", "abcXYZ019", "a" * 36, None])
def test_ids_come_back_as_they_were(id_: object) -> None:
    answer = ask(open_session(), {"method": "LIST_SUBSCRIPTIONS", "id": id_})
    assert answer == {"result": [], "id": id_}


def test_a_refused_request_changes_nothing() -> None:
    session = open_session()
    ask(session, {"method": "SUBSCRIBE", "params": ["btcusdt@trade", 7], "id": 1})
    assert session.delivered == []


def test_too_many_streams_are_a_breach() -> None:
    session = open_session(SPOT, "/stream?streams=a@trade/b@trade/c@trade")
    request = '{"method":"SUBSCRIBE","params":["d@trade"],"id":1}'
    with pytest.raises(PolicyBreachError):
        session.receive(request)
    with pytest.raises(PolicyBreachError):
        open_session(SPOT, "/stream?streams=a/b/c/d")


def test_the_shutdown_notice_has_the_form_of_the_data() -> None:
    combined = msgspec.json.decode(open_session().shutdown_notice(5_000_000))
    event = {"e": "serverShutdown", "E": 5_000}
    assert combined == {"stream": "!serverShutdown", "data": event}
    assert msgspec.json.decode(open_session(SPOT, "/ws").shutdown_notice(5_000_000)) == event
    fine = open_session(SPOT, "/ws?timeUnit=MICROSECOND").shutdown_notice(5_000_000)
    assert msgspec.json.decode(fine)["E"] == 5_000_000
