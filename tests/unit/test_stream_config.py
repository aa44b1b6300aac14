"""What may be done to a stream that exists: nothing that loses a message."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from mprism.nursery.stream_config import (
    StreamInfo,
    StreamState,
    changed,
    covers,
    plan_for,
    wanted_config,
)
from mprism.schema import STREAM_SUBJECTS
from mprism.settings import StreamSettings

NOW_NS = 1_795_334_400_000_000_000
WANTED = wanted_config(StreamSettings())


def stored(messages: int = 10, size: int = 1_000, age_seconds: float = 60.0) -> StreamState:
    first = datetime.fromtimestamp(NOW_NS / 1e9 - age_seconds, UTC)
    return StreamState(messages=messages, bytes=size, first_ts=first.isoformat())


def existing(state: StreamState | None = None, **fields: Any) -> StreamInfo:
    return StreamInfo({**WANTED, **fields}, state or stored())


def changes(wanted: dict[str, Any], info: StreamInfo) -> dict[str, tuple[Any, Any]]:
    plan = plan_for(wanted, info, NOW_NS)
    assert plan.refused == {}
    assert plan.refusal("S") is None
    return plan.changes


def test_the_default_stream_is_what_the_contract_says() -> None:
    config = wanted_config(StreamSettings())
    assert config == {
        "name": "MARKET_DATA",
        "subjects": list(STREAM_SUBJECTS),
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 172_800_000_000_000,
        "duplicate_window": 120_000_000_000,
        "allow_batched": True,
    }


def test_the_duplicate_window_does_not_outlast_the_messages() -> None:
    assert wanted_config(StreamSettings(max_age_seconds=30))["duplicate_window"] == 30_000_000_000
    assert wanted_config(StreamSettings(max_age_seconds=0))["duplicate_window"] == 120_000_000_000


def test_a_stream_that_is_right_stays_as_it_is() -> None:
    assert changes(WANTED, existing()) == {}
    assert changes(WANTED, existing(max_msgs=0, num_replicas=3, metadata={"a": "b"})) == {}


@pytest.mark.parametrize(
    ("field", "is_now"), [("storage", "memory"), ("retention", "workqueue"), ("discard", "new")]
)
def test_what_cannot_be_changed_is_refused_with_both_values(field: str, is_now: str) -> None:
    plan = plan_for(WANTED, existing(None, **{field: is_now}), NOW_NS)
    assert plan.refused == {field: (is_now, WANTED[field])}
    refusal = plan.refusal("MARKET_DATA")
    assert refusal is not None
    assert f"{field} is {is_now!r} and should be {WANTED[field]!r}" in refusal
    assert "MARKET_DATA" in refusal


@pytest.mark.parametrize("field", ["no_ack", "sealed"])
def test_a_stream_that_would_never_acknowledge_is_refused(field: str) -> None:
    assert plan_for(WANTED, existing(None, **{field: True}), NOW_NS).refused == {
        field: (True, False)
    }


@pytest.mark.parametrize(
    ("field", "is_now", "wanted", "beyond"),
    [
        ("max_msgs", 100, 50, stored(messages=51)),
        ("max_msgs", -1, 50, stored(messages=51)),
        ("max_bytes", -1, 5_000, stored(size=5_001)),
        ("max_age", 0, 10_000_000_000, stored(age_seconds=11)),
    ],
)
def test_a_tighter_limit_is_refused_only_where_it_would_delete(
    field: str, is_now: int, wanted: int, beyond: StreamState
) -> None:
    config = {**WANTED, field: wanted}
    plan = plan_for(config, existing(beyond, **{field: is_now}), NOW_NS)
    assert plan.refused == {field: (is_now, wanted)}
    empty = StreamState(first_ts="0001-01-01T00:00:00Z")
    assert changes(config, existing(empty, **{field: is_now})) == {field: (is_now, wanted)}


@pytest.mark.parametrize(("field", "wanted"), [("max_msgs", -1), ("max_bytes", 99), ("max_age", 0)])
def test_a_wider_limit_is_set(field: str, wanted: int) -> None:
    state = stored(messages=7, size=50)
    config = {**WANTED, field: wanted}
    assert changes(config, existing(state, **{field: 7})) == {field: (7, wanted)}


def test_the_window_and_batches_are_set() -> None:
    info = existing(duplicate_window=1, allow_batched=False)
    window = WANTED["duplicate_window"]
    assert changes(WANTED, info) == {
        "duplicate_window": (1, window),
        "allow_batched": (False, True),
    }
    assert not info.takes_batches
    assert existing().takes_batches


def test_missing_subjects_are_added_to_what_is_there() -> None:
    info = existing(subjects=["own.>", "trade-data.>"])
    (is_now, wanted) = changes(WANTED, info)["subjects"]
    assert is_now == ["own.>", "trade-data.>"]
    assert wanted[:2] == is_now
    assert sorted(wanted[1:]) == sorted(STREAM_SUBJECTS)
    assert changes(WANTED, existing(subjects=[">"])) == {}


def test_an_update_keeps_what_belongs_to_the_operator() -> None:
    info = existing(max_age=1, max_msgs_per_subject=5)
    config = changed(info.config, plan_for(WANTED, info, NOW_NS))
    assert config == {**WANTED, "max_msgs_per_subject": 5}


def test_the_age_of_the_oldest_message_is_read_from_the_server_s_time() -> None:
    state = StreamState(messages=1, first_ts="2026-11-22T11:12:33.480316139Z")
    age = state.oldest_age_ns(time.time_ns())
    expected = time.time() - datetime(2026, 11, 22, 11, 12, 33, 480_316, UTC).timestamp()
    assert age / 1e9 == pytest.approx(expected, abs=5)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("trade-data.>", "trade-data.>", True),
        (">", "trade-data.>", True),
        ("trade-data.*", "trade-data.>", False),
        ("trade-data.a.>", "trade-data.>", False),
        ("*.>", "trade-data.>", True),
        ("*.a", "b.a", True),
        ("a", "a.b", False),
        ("a.>", "a", False),
        ("a.b", "a", False),
    ],
)
def test_covering_follows_the_wildcards(pattern: str, subject: str, expected: bool) -> None:
    assert covers(pattern, subject) is expected
