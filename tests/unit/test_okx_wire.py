"""Whatever comes over the wire is refused with a reason, and the connection goes on."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.errors import NetworkFault, Refused
from mprism.feeds.okx.venue import OKX_DERIVATIVES
from mprism.feeds.protocol import Action, Reject, Replace
from tests.unit.okx_payloads import (
    ALL,
    DERIVATIVES,
    LINEAR,
    REASONS,
    answer,
    book,
    detail,
    event,
    funding,
    interest,
    liquidated,
    pushed,
    trade,
)
from tests.unit.okx_socket import Socket, told
from tests.unit.test_okx_ratios import Poll

FILLS = "trades-all:BTC-USDT"
TEXT = pushed(FILLS, trade(1))
FRAMES: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "invalid JSON"),
    ("blank", " \n", "invalid JSON"),
    ("truncated", TEXT[:-1], "invalid JSON"),
    ("two objects", TEXT * 2, "invalid JSON"),
    ("HTML", "<html>502</html>", "invalid JSON"),
    ("a byte order mark", "\ufeff" + TEXT, "invalid JSON"),
    ("a bare NaN", '{"data":[NaN]}', "invalid JSON"),
    ("a lone surrogate, escaped", '{"event":"\\ud800"}', "invalid JSON"),
    ("a lone surrogate, raw", '{"event":"\ud800"}', "invalid JSON"),
    ("nested without end", '{"data":' + "[" * 100_000, "invalid JSON"),
    ("nested without end, unused", '{"x":' + "[" * 100_000, "invalid JSON"),
    ("a quoted pong", '"pong"', "not an object"),
    ("an array", f"[{TEXT}]", "not an object"),
    ("null", "null", "not an object"),
    ("binary", TEXT.encode(), "binary frame"),
    ("2 MB of text", "x" * 2_000_000, "invalid JSON"),
    ("an empty object", "{}", "unknown answer"),
    ("no data", '{"arg":{"channel":"books","instId":"BTC-USDT"}}', "unknown answer"),
    ("data is null", TEXT.replace('"data": [', '"data": null, "x": ['), "unknown answer"),
    ("data is an object", '{"arg":{"channel":"books"},"data":{}}', "malformed frame"),
    ("no argument", '{"data":[]}', "malformed frame"),
    ("an argument that is a text", '{"arg":"books","data":[]}', "malformed frame"),
    ("an argument without a channel", '{"arg":{"instId":"BTC-USDT"},"data":[]}', "malformed frame"),
    ("an instrument that is a number", '{"arg":{"channel":"books","instId":7}}', "malformed frame"),
    ("an action that is a number", '{"action":7,"data":[]}', "malformed frame"),
    ("an event that is a number", '{"event":7}', "malformed frame"),
    ("another stream", pushed("tickers:BTC-USDT", {}), "not subscribed"),
    ("another instrument", pushed("books:DOGE-USDT", {}), "not subscribed"),
    ("a stream in lower case", pushed("trades-all:btc-usdt", {}), "not subscribed"),
    ("a login", '{"event":"login","code":"0"}', "unknown event"),
    ("another notice", '{"event":"notice","code":"1","msg":"hello"}', "unknown event"),
    ("a notice without a code", '{"event":"notice"}', "unknown event"),
    ("an error", '{"event":"error","code":"60012","msg":"no"}', "error answer"),
    ("an error with an odd id", '{"event":"error","id":7,"code":1}', "error answer"),
]


@pytest.mark.parametrize(("frame", "reason"), [pytest.param(f, r, id=n) for n, f, r in FRAMES])
def test_a_malformed_frame_is_rejected_with_its_reason(frame: str | bytes, reason: str) -> None:
    socket = Socket()
    (reject,) = socket.frame(frame)
    assert isinstance(reject, Reject)
    assert reject.reason == reason
    assert reason in REASONS
    assert reject.detail
    assert told(socket.frame(TEXT)) == ["trade 1"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
ROWS = [
    book(-1, 5),
    book(5, 9),
    trade(1, instId="BTC-USDT-SWAP"),
    funding(),
    interest(),
    liquidated(detail()),
    detail(),
]
KEYS = sorted({key for row in ROWS for key in row})
# Texts that are nearly what is wanted.
VALUES = ANY_JSON | st.sampled_from(["", "0", "-1", "1e400", "9" * 30, "NaN", "1" * 41, "net"])
ROW = st.one_of(
    ANY_JSON,
    st.dictionaries(st.sampled_from(KEYS), VALUES),
    st.builds(
        lambda base, changes: base | changes,
        st.sampled_from(ROWS),
        st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2),
    ),
)
STREAMS = [
    *(f"{kind}:BTC-USDT-SWAP" for kind in ("books", "trades-all", "funding-rate", "open-interest")),
    "liquidation-orders:SWAP",
]
ACTIONS = st.sampled_from(["snapshot", "update", None]) | ANY_JSON
ANY_FRAME = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.binary(),
    ANY_JSON.map(json.dumps),
    st.builds(
        lambda stream, rows, action: pushed(stream, *rows, action=action),
        st.sampled_from(STREAMS),
        st.lists(ROW, max_size=3),
        ACTIONS,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "event": st.sampled_from(["subscribe", "unsubscribe", "error", "notice"]) | ANY_JSON,
            "arg": st.sampled_from([{"channel": "books", "instId": "BTC-USDT-SWAP"}]) | ANY_JSON,
            "id": st.sampled_from(["1", "2"]) | ANY_JSON,
            "code": st.sampled_from(["60012", "60014", "64008"]) | ANY_JSON,
            "msg": st.sampled_from(["channel:books,instId:BTC-USDT-SWAP", "no"]) | ANY_JSON,
            "data": ANY_JSON,
        },
    ).map(json.dumps),
)


def check(actions: list[Action]) -> None:
    for action in actions:
        if isinstance(action, Reject):
            assert action.reason in REASONS
        elif not isinstance(action, Replace):
            assert told([action])


@given(st.lists(ANY_FRAME, max_size=5))
def test_no_frame_raises_once_all_is_acknowledged(frames: list[str | bytes]) -> None:
    socket = Socket(*DERIVATIVES, data_types=ALL)
    for frame in frames:
        check(socket.frame(frame))
    assert told(socket.push("trades-all:BTC-USD-SWAP", trade(2**63 - 1, instId="BTC-USD-SWAP")))


@given(st.lists(ANY_FRAME, max_size=5))
def test_only_errors_refuse_what_is_asked_for(frames: list[str | bytes]) -> None:
    socket = Socket(LINEAR, data_types=ALL, acknowledged=False)
    for frame in frames:
        try:
            check(socket.frame(frame))
        except Refused:
            assert json.loads(frame)["event"] == "error"
            assert all(state.refused for state in socket.states.values())


ANY_BODY = st.one_of(
    st.binary(),
    ANY_JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(lambda rows: answer(*rows), st.lists(ROW | ANY_JSON, max_size=3)),
)


@given(ANY_BODY)
def test_no_snapshot_raises(body: bytes) -> None:
    socket = Socket(LINEAR, data_types=["orderbook"])
    stream = "books:BTC-USDT-SWAP"
    socket.push(stream, book(100, 105), action="update")
    check(socket.fetched(stream, body))


@given(ANY_BODY)
def test_no_answer_raises_more_than_a_fault(body: bytes) -> None:
    poll = Poll()
    with suppress(NetworkFault):
        check(list(poll.ratios.fetched("BTC-USDT-SWAP", body, 1)))
    with suppress(NetworkFault):
        OKX_DERIVATIVES.parse_instruments([body])


@given(st.text(max_size=40), st.sampled_from([None, "1", "2"]))
def test_no_error_text_blames_a_stream_that_it_does_not_name(msg: str, id_: str | None) -> None:
    socket = Socket(*DERIVATIVES, data_types=["trade"], acknowledged=False)
    more = {} if id_ is None else {"id": id_}
    socket.frame(event("error", code="60018", msg=msg, **more))
    assert not any(state.refused for state in socket.states.values())
