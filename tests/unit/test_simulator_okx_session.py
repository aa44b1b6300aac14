"""What the simulated OKX answers on a connection, without sockets."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mprism.simulator.okx.server import RULES
from mprism.simulator.okx.session import OkxSession
from mprism.simulator.wire import Publication

SERVED = ("books:BTC-USDT", "trades:BTC-USDT", "instruments:SPOT")


class Scene:
    """A session whose streams each begin with one message that has their name."""

    def __init__(self, **rules: Any) -> None:
        self.now = 0.0
        self.session = OkxSession(
            {stream: self._opening(stream) for stream in SERVED},
            "a4d3ae55",
            replace(RULES, **rules),
            lambda: self.now,
        )

    def _opening(self, stream: str) -> Any:
        def opening() -> Iterable[Publication]:
            yield Publication(stream, lambda _: b"{}")

        return opening

    def receive(self, request: object) -> list[Any]:
        """The answers: decoded, or the name of the stream that is sent."""
        text = request if isinstance(request, str) else msgspec.json.encode(request).decode()
        return [
            reply.stream if isinstance(reply, Publication) else msgspec.json.decode(reply)
            for reply in self.session.receive(text)
        ]


def request(operation: str, *args: object, **more: object) -> dict[str, object]:
    return {"op": operation, "args": args, **more}


BOOKS = {"channel": "books", "instId": "BTC-USDT"}
LIST = {"channel": "instruments", "instType": "SPOT"}


def test_a_ping_is_a_plain_word() -> None:
    assert Scene().session.receive("ping") == [b"pong"]


def test_each_argument_is_answered_and_then_begins() -> None:
    scene = Scene()
    answers = scene.receive(request("subscribe", BOOKS, LIST, id="1512"))
    common = {"id": "1512", "event": "subscribe", "connId": "a4d3ae55"}
    assert answers == [
        {**common, "arg": BOOKS},
        "books:BTC-USDT",
        {**common, "arg": LIST},
        "instruments:SPOT",
    ]
    assert list(scene.session.delivered) == ["books:BTC-USDT", "instruments:SPOT"]
    again = scene.receive(request("subscribe", BOOKS))
    assert [answer["event"] for answer in again] == ["subscribe"]
    assert "id" not in again[0]
    gone = scene.receive(request("unsubscribe", BOOKS))
    assert gone == [{"event": "unsubscribe", "arg": BOOKS, "connId": "a4d3ae55"}]
    assert list(scene.session.delivered) == ["instruments:SPOT"]
    assert scene.receive(request("subscribe", BOOKS))[1] == "books:BTC-USDT"


@pytest.mark.parametrize(
    "arg",
    [
        {"channel": "books"},
        {"instId": "BTC-USDT"},
        {"channel": "books", "instType": "BTC-USDT"},
        {"channel": "instruments", "instId": "SPOT"},
        {"channel": "books", "instId": "btc-usdt"},
        {},
    ],
)
def test_an_argument_that_names_nothing_is_refused_alone(arg: dict[str, str]) -> None:
    scene = Scene()
    error, acknowledged, _ = scene.receive(request("subscribe", arg, BOOKS, id="x"))
    assert (error["event"], error["code"], error["id"]) == ("error", "60018", "x")
    assert acknowledged["arg"] == BOOKS


@pytest.mark.parametrize(
    ("text", "has_id"),
    [
        ("{", False),
        ("pong", False),
        ("[]", False),
        ({"op": "subscribe", "id": "7"}, True),
        ({"op": "subscribe", "args": [], "id": "7"}, True),
        ({"op": "subscribe", "args": ["books"], "id": "7"}, True),
        ({"op": "subscribe", "args": [{"channel": 5}], "id": "7"}, True),
        ({"op": "shout", "args": [BOOKS], "id": "7"}, True),
        ({"op": "subscribe", "args": [BOOKS], "id": 7}, False),
        ({"op": "subscribe", "args": [BOOKS], "id": "with-dash"}, False),
        ({"op": "subscribe", "args": [BOOKS], "id": "x" * 33}, False),
    ],
)
def test_what_is_no_request_is_refused_whole(text: object, has_id: bool) -> None:
    scene = Scene()
    (error,) = scene.receive(text)
    assert (error["event"], error["code"]) == ("error", "60012")
    assert error.get("id") == ("7" if has_id else None)
    assert list(scene.session.delivered) == []


def test_a_request_has_at_most_64_kib() -> None:
    scene = Scene()
    args = [BOOKS] * 1_400
    assert len(msgspec.json.encode(request("subscribe", *args))) < 64 * 1024
    assert len(scene.receive(request("subscribe", *args))) == 1_401
    (error,) = scene.receive(request("subscribe", *args, *args))
    assert error["code"] == "60012"


def test_requests_are_counted_by_the_hour_whatever_they_are() -> None:
    scene = Scene(requests=3)
    (refused,) = scene.receive(request("login", {"apiKey": "x"}))
    assert refused["code"] == "60009"
    scene.receive(request("subscribe", BOOKS, LIST))
    scene.receive(request("unsubscribe", LIST))
    scene.now = 3_599.0
    (refused,) = scene.receive(request("subscribe", LIST, id="n"))
    assert (refused["code"], refused["id"]) == ("60014", "n")
    assert list(scene.session.delivered) == ["books:BTC-USDT"]
    scene.now = 3_600.0
    assert scene.receive(request("subscribe", LIST))[1] == "instruments:SPOT"


def test_the_notice_of_an_upgrade() -> None:
    notice = msgspec.json.decode(Scene().session.shutdown_notice(0))
    assert (notice["event"], notice["code"]) == ("notice", "64008")
    assert notice["connId"] == "a4d3ae55"
