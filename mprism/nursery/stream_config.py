"""The stream's configuration: what is asked for, and what may be done to one that exists. Pure.

Only what cannot lose a stored message is changed. A limit that is tightened would delete
messages at once, so it counts as safe only while nothing stored lies beyond it. Fields that
are not listed here belong to the operator and stay as they are.

The field names and values are those of the JetStream API (`STREAM.CREATE`, `STREAM.INFO`);
durations there are in nanoseconds, 0 or -1 means no limit.
"""

from datetime import datetime
from typing import Any

import msgspec

from mprism.schema import STREAM_SUBJECTS
from mprism.settings import StreamSettings

StreamConfig = dict[str, Any]

_NS = 1_000_000_000
_FIXED = ("storage", "retention", "discard")
# A stream that does not acknowledge would look like a dead broker.
_FIXED_DEFAULTS: StreamConfig = {"no_ack": False, "sealed": False}
# Limit -> what it bounds in the state of the stream.
_LIMITS = {"max_msgs": "messages", "max_bytes": "bytes"}


class StreamState(msgspec.Struct):
    """What the stream holds, of `STREAM.INFO`."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_ts: str = ""

    def oldest_age_ns(self, now_ns: int) -> int:
        """How old the first stored message is; 0 when there is none."""
        if not self.messages:
            return 0
        stored = datetime.fromisoformat(self.first_ts)
        return now_ns - int(stored.timestamp() * _NS)


class StreamInfo(msgspec.Struct):
    """The answer of `STREAM.INFO`, as far as it is used."""

    config: StreamConfig
    state: StreamState = msgspec.field(default_factory=StreamState)

    @property
    def takes_batches(self) -> bool:
        """Whether fast ingest can be used: the server knows it and the stream allows it."""
        return self.config.get("allow_batched") is True


class Plan(msgspec.Struct):
    """What to do to an existing stream. Values are pairs: as it is, as it should be."""

    changes: dict[str, tuple[Any, Any]] = msgspec.field(default_factory=dict)
    refused: dict[str, tuple[Any, Any]] = msgspec.field(default_factory=dict)

    def refusal(self, name: str) -> str | None:
        """In words, why the stream cannot be used; None when it can."""
        if not self.refused:
            return None
        fields = "; ".join(
            f"{field} is {is_now!r} and should be {wanted!r}"
            for field, (is_now, wanted) in self.refused.items()
        )
        return (
            f"stream {name} cannot be used as it is, and changing it could lose what it holds: "
            f"{fields}. Change the stream or the settings, or use another stream name"
        )


def wanted_config(settings: StreamSettings) -> StreamConfig:
    """The configuration that a stream is created with."""
    max_age = int(settings.max_age_seconds * _NS)
    duplicate_window = int(settings.duplicate_window_seconds * _NS)
    return {
        "name": settings.name,
        "subjects": list(STREAM_SUBJECTS),
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs": settings.max_messages,
        "max_bytes": settings.max_bytes,
        "max_age": max_age,
        # The server refuses a window that outlasts the messages.
        "duplicate_window": min(duplicate_window, max_age or duplicate_window),
        "allow_batched": True,
    }


def plan_for(wanted: StreamConfig, existing: StreamInfo, now_ns: int) -> Plan:
    """What changes make `existing` what is `wanted`, and what forbids using it."""
    plan = Plan()
    config, state = existing.config, existing.state
    for field in _FIXED:
        _require(plan, field, config.get(field), wanted[field])
    for field, value in _FIXED_DEFAULTS.items():
        _require(plan, field, config.get(field, value), value)
    for field, held in _LIMITS.items():
        _limit(plan, field, config.get(field, -1), wanted[field], getattr(state, held))
    _limit(
        plan, "max_age", config.get("max_age", 0), wanted["max_age"], state.oldest_age_ns(now_ns)
    )
    for field in ("duplicate_window", "allow_batched"):
        if config.get(field) != wanted[field]:
            plan.changes[field] = (config.get(field), wanted[field])
    subjects = config.get("subjects") or []
    missing = [s for s in wanted["subjects"] if not any(covers(pattern, s) for pattern in subjects)]
    if missing:
        plan.changes["subjects"] = (subjects, [*subjects, *missing])
    return plan


def changed(config: StreamConfig, plan: Plan) -> StreamConfig:
    """`config` with the changes of `plan`, as `STREAM.UPDATE` wants it."""
    return {**config, **{field: wanted for field, (_, wanted) in plan.changes.items()}}


def covers(pattern: str, subject: str) -> bool:
    """Whether everything that matches `subject` also matches `pattern` (NATS wildcards)."""
    theirs, ours = pattern.split("."), subject.split(".")
    for place, part in enumerate(theirs):
        if part == ">":
            return len(ours) > place
        if place >= len(ours) or ours[place] == ">":
            return False
        if part not in (ours[place], "*"):
            return False
    return len(theirs) == len(ours)


def _require(plan: Plan, field: str, is_now: object, wanted: object) -> None:
    if is_now != wanted:
        plan.refused[field] = (is_now, wanted)


def _limit(plan: Plan, field: str, is_now: int, wanted: int, held: int) -> None:
    if max(is_now, 0) == max(wanted, 0):
        return
    deletes = wanted > 0 and held > wanted
    (plan.refused if deletes else plan.changes)[field] = (is_now, wanted)
