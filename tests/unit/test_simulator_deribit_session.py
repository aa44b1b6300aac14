"""JSON-RPC on a simulated Deribit connection: subscriptions, heartbeats, credits, errors."""

from dataclasses import replace
from typing import Any

import pytest

from mprism.simulator.deribit.server import RULES
from mprism.simulator.faults import MissingSnapshot, OmitChannels
from mprism.simulator.session import PolicyBreachError
from mprism.simulator.wire import Publication
from tests.unit.deribit_scene import START_US, Scene, open_market, payload, sent

BOOK, TRADES = "book.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms"
HEARTBEAT = b'{"params":{"type":"heartbeat"},"method":"heartbeat","jsonrpc":"2.0"}'
TEST_REQUEST = b'{"params":{"type":"test_request"},"method":"heartbeat","jsonrpc":"2.0"}'


def error_of(answer: Any) -> tuple[int, str]:
    assert "result" not in answer
    return answer["error"]["code"], answer["error"]["message"]


def test_an_answer_has_the_id_and_the_times() -> None:
    answer = Scene().call("public/get_time", id_="mine")
    assert answer == {
        "jsonrpc": "2.0",
        "id": "mine",
        "result": START_US // 1_000,
        "usIn": START_US,
        "usOut": START_US + answer["usDiff"],
        "usDiff": answer["usDiff"],
        "testnet": False,
    }


def test_unknown_channels_are_left_out_and_the_order_is_another() -> None:
    scene = Scene()
    wanted = [TRADES, "book.btc-perpetual.100ms", BOOK, "trades.BTC-PERPETUAL", "nothing"]
    answer, *openings = scene.subscribe(*wanted)
    assert answer["result"] == [BOOK, TRADES]
    assert [o["params"]["channel"] for o in openings] == [BOOK]
    assert set(scene.session.delivered) == {BOOK, TRADES}
    assert scene.subscribe("nothing")[0]["result"] == []


@pytest.mark.parametrize("raw", ["book.BTC-PERPETUAL.raw", "trades.nothing.raw"])
def test_one_raw_channel_has_the_whole_request_refused(raw: str) -> None:
    scene = Scene()
    (answer,) = scene.subscribe(BOOK, raw)
    assert error_of(answer) == (13778, "raw_subscriptions_not_available_for_unauthorized")
    assert answer["id"] == 7
    assert not scene.session.delivered


def test_an_active_channel_is_acknowledged_without_a_snapshot() -> None:
    scene = Scene()
    assert len(scene.subscribe(BOOK)) == 2
    (again,) = scene.subscribe(BOOK)
    assert again["result"] == [BOOK]
    assert scene.call("public/unsubscribe", channels=[BOOK, TRADES])["result"] == [BOOK]
    sent(scene.market, 1)
    answer, opening = scene.subscribe(BOOK)
    assert answer["result"] == [BOOK]
    assert opening["params"]["data"]["type"] == "snapshot"
    assert scene.call("public/unsubscribe_all")["result"] == "ok"
    assert not scene.session.delivered


def test_a_ticker_begins_with_its_newest_message() -> None:
    scene = Scene()
    channel = "ticker.BTC-PERPETUAL.agg2"
    assert len(scene.subscribe(channel)) == 1
    messages = sent(scene.market, 2)
    scene.call("public/unsubscribe", channels=[channel])
    _, opening = scene.subscribe(channel)
    fast = [m for m in messages if m["channel"] == "ticker.BTC-PERPETUAL.100ms"]
    assert opening["params"] == {"channel": channel, "data": fast[-1]["data"]}


@pytest.mark.parametrize(
    ("text", "code", "id_"),
    [
        ("{", 11050, None),
        ("ping", 11050, None),
        ("[]", 11050, None),
        ('{"id":1}', 11050, None),
        ('{"id":1,"method":"public/test","params":[]}', 11050, None),
        ('{"id":1,"method":"public/nothing"}', -32601, 1),
        ('{"id":1,"method":"public/subscribe","params":{"channels":"a"}}', -32602, 1),
        ('{"id":1,"method":"public/subscribe","params":{}}', -32602, 1),
        ('{"id":1,"method":"public/set_heartbeat","params":{"interval":9}}', -32602, 1),
        ('{"id":1,"method":"public/set_heartbeat","params":{"interval":"x"}}', -32602, 1),
        ('{"id":1,"method":"public/set_heartbeat","params":{}}', -32602, 1),
        ('{"id":1,"method":"public/get_order_book","params":{"instrument_name":"X"}}', 13020, 1),
        ('{"id":1,"method":"public/get_order_book","params":{}}', -32602, 1),
    ],
)
def test_errors(text: str, code: int, id_: int | None) -> None:
    scene = Scene()
    (answer,) = scene.replies(text)
    assert error_of(answer)[0] == code
    assert answer.get("id") == id_
    assert ("data" in answer["error"]) == (code == -32602)
    assert scene.call("public/test")["result"]["version"]


def test_a_heartbeat_is_answered_or_the_connection_ends() -> None:
    scene = Scene()
    assert scene.call("public/set_heartbeat", interval=10)["result"] == "ok"
    assert scene.session.due == 110.0
    for _ in range(3):
        scene.now = scene.session.due
        assert scene.session.wake() == (HEARTBEAT, TEST_REQUEST)
        scene.call("public/test")
    assert scene.now == 130.0
    scene.now = scene.session.due
    scene.session.wake()
    scene.now += 9.9
    assert scene.session.wake() == ()
    scene.call("public/get_time")  # no answer to a test request
    scene.now += 0.1
    with pytest.raises(PolicyBreachError) as breach:
        scene.session.wake()
    assert breach.value.code == 4000
    assert scene.session.due == float("inf")


def test_heartbeats_can_be_hurried_and_switched_off() -> None:
    scene = Scene(rules=replace(RULES, time_scale=0.01))
    scene.call("public/set_heartbeat", interval=30)
    assert scene.session.due == pytest.approx(100.3)
    scene.subscribe(TRADES)
    assert scene.call("public/disable_heartbeat")["result"] == "ok"
    assert scene.session.due == float("inf")


def test_a_client_that_wants_nothing_is_cut_off_without_a_word() -> None:
    scene = Scene()
    assert scene.session.due == 160.5
    scene.now = 150.0
    scene.call("public/test")
    assert scene.session.due == 210.5
    scene.now = 210.5
    with pytest.raises(PolicyBreachError) as breach:
        scene.session.wake()
    assert breach.value.code == 1006
    other = Scene()
    other.subscribe(TRADES)
    assert other.session.due == float("inf")


def test_credits_are_spent_and_come_back() -> None:
    scene = Scene()
    answers = [scene.call("public/subscribe", channels=[BOOK]) for _ in range(11)]
    assert all("result" in answer for answer in answers[:10])
    assert error_of(answers[10]) == (10028, "too_many_requests")
    assert "result" in scene.call("public/test")  # from another pool
    assert scene.get("get_time").status == 200
    scene.now += 0.31
    assert "result" in scene.call("public/unsubscribe", channels=[BOOK])
    assert "error" in scene.call("public/unsubscribe", channels=[BOOK])


def test_all_connections_of_a_client_and_rest_have_the_same_credits() -> None:
    scene = Scene(rules=replace(RULES, weight_limit=2_000))
    scene.call("public/test")
    scene.session = scene.connect()
    scene.call("public/test")
    assert scene.get("get_time").status == 200
    assert scene.get("get_time").status == 200
    response = scene.get("get_time")
    assert (response.status, b'"code":10028' in response.body) == (429, True)
    assert error_of(scene.call("public/test"))[0] == 10028


def test_whoever_goes_on_without_credits_is_cut_off() -> None:
    scene = Scene(rules=replace(RULES, weight_limit=1, breaches_before_ban=2))
    assert "error" in scene.call("public/test")
    assert "error" in scene.call("public/test")
    with pytest.raises(PolicyBreachError):
        scene.call("public/test")
    assert scene.counts["calls_refused"] == 3


def test_channels_are_omitted_once_and_served_when_asked_for_again() -> None:
    scene = Scene()
    scene.session.inject(OmitChannels(1, "book."))
    (answer,) = scene.subscribe(TRADES, BOOK)
    assert answer["result"] == [TRADES]
    assert set(scene.session.delivered) == {TRADES}
    answer, opening = scene.subscribe(BOOK)
    assert answer["result"] == [BOOK]
    assert opening["params"]["channel"] == BOOK
    assert scene.counts["channels_omitted"] == 1


def test_a_missing_snapshot_is_missing_once() -> None:
    scene = Scene(open_market(rate=0))
    scene.session.inject(MissingSnapshot(1))
    assert len(scene.subscribe(TRADES, BOOK)) == 1
    assert BOOK in scene.session.delivered
    scene.call("public/unsubscribe", channels=[BOOK])
    assert len(scene.subscribe(BOOK)) == 2


def test_the_shutdown_notice_and_openings_are_messages_of_channels() -> None:
    scene = Scene()
    assert b'"channel":"platform_state","data":{"maintenance":true}' in (
        scene.session.shutdown_notice(0)
    )
    text = f'{{"id":1,"method":"public/subscribe","params":{{"channels":["{BOOK}"]}}}}'
    _, opening = scene.session.receive(text)
    assert isinstance(opening, Publication)
    assert opening.stream == BOOK
    assert opening.updates is None
    assert b'"type":"snapshot"' in payload(opening)
