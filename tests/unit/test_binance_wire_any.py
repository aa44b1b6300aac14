"""No text and no bytes raise anything: neither as a frame nor as a snapshot."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.binance.market import SPOT
from mprism.feeds.errors import Refused
from mprism.feeds.protocol import Action, Reject
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
)

TRADES = "btcusdt@trade"
DEPTH = "btcusdt@depth@100ms"
SNAPSHOTS: list[bytes] = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"<html>",
    b"\xff\xfe",
    b'{"lastUpdateId":1,"bids":[["\xff","1"]],"asks":[]}',
    b'{"lastUpdateId":1,"bids":' + b"[" * 100_000,
    b'{"x":' + b"[" * 100_000,
    b'{"code":-1121,"msg":"Invalid symbol."}',
    snapshot(100)[:-1],
    snapshot(-2),
    snapshot(2**63),
    snapshot(100, lastUpdateId="100"),
    snapshot(100, lastUpdateId=None),
    snapshot(100, bids=[["1", "2", "3"]]),
    snapshot(100, T=-1),
    json.dumps({"lastUpdateId": 1, "bids": [[1, 2]], "asks": []}).encode(),
    json.dumps({"lastUpdateId": 1, "bids": []}).encode(),
]


@pytest.mark.parametrize("body", SNAPSHOTS)
def test_a_malformed_snapshot_is_rejected_and_fetched_again(body: bytes) -> None:
    socket = Socket(SPOT)
    socket.acknowledge()
    socket.event(DEPTH, depth(90, 110))
    assert told(socket.snapshot(body)) == ["malformed snapshot", "fetch 1"]
    assert told(socket.snapshot(snapshot(100))) == ["live", "s100", "u100>110"]
    # Nobody waits any more.
    assert told(socket.snapshot(body)) == ["malformed snapshot"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
KEYS = ["e", "s", "t", "p", "q", "T", "m", "X", "a", "f", "l", "E", "U", "u", "b", "pu"]
DATA = st.one_of(
    ANY_JSON,
    st.dictionaries(st.sampled_from(KEYS), ANY_JSON),
    st.builds(
        lambda base, changes: base | changes,
        st.sampled_from([trade(), aggregate(), depth(101, 110), depth_usdm(101, 110, 100)]),
        st.dictionaries(st.sampled_from(KEYS), ANY_JSON, max_size=2),
    ),
)
FRAME_OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.sampled_from([TRADES, DEPTH, "ethusdt@trade"]) | ANY_JSON,
        "data": DATA,
        "id": ANY_JSON,
        "code": ANY_JSON,
        "msg": ANY_JSON,
        "error": ANY_JSON | st.fixed_dictionaries({"code": ANY_JSON, "msg": ANY_JSON}),
    },
)
ANY_FRAME = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.binary(),
    ANY_JSON.map(json.dumps),
    FRAME_OBJECTS.map(json.dumps),
)


def is_harmless(action: Action) -> bool:
    """A rejection with a known reason, or what a frame that happens to be valid leads to."""
    if isinstance(action, Reject):
        return action.reason in REASONS
    return told([action])[0].split()[0].strip(":") not in {"send", "the"}


@given(st.lists(ANY_FRAME, max_size=5))
def test_no_frame_raises_without_an_open_request(frames: list[str | bytes]) -> None:
    socket = live_socket()
    for frame in frames:
        assert all(is_harmless(action) for action in socket.receive(frame))
    assert told(socket.event("ethusdt@trade", trade(2**63 - 1, s="ETHUSDT")))


@given(ANY_FRAME)
def test_only_an_error_answer_raises_with_an_open_request(frame: str | bytes) -> None:
    socket = Socket(SPOT)
    try:
        actions = socket.receive(frame)
    except Refused:
        answer = json.loads(frame)
        assert answer.get("error") is not None or answer.get("code") is not None
        assert answer.get("id") in (None, 1)
    else:
        assert all(is_harmless(action) for action in actions)
        assert len(socket.connection.unacknowledged) == 4 or "id" in json.loads(frame)


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_no_snapshot_raises(body: bytes) -> None:
    socket = Socket(SPOT)
    socket.acknowledge()
    socket.event(DEPTH, depth(90, 110))
    assert told(socket.snapshot(body)) == ["malformed snapshot", "fetch 1"]
    assert told(socket.snapshot(snapshot(100))) == ["live", "s100", "u100>110"]
