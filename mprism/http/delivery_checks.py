"""What the broker and the publisher contribute to the verdict.

| check | healthy | degraded | unhealthy |
|---|---|---|---|
| `broker` | connected; or stopped while the collector stops | not connected for up to the \
grace; not connected yet, up to the start grace | not connected for longer; stopped otherwise |
| `delivery` | no message waits for longer than the grace | some message does, while others are \
acknowledged or the broker is away, which `broker` judges | stalled: a connected broker \
acknowledges nothing |
| `backlog` | at most half of the room for waiting messages is taken | more is | |
| `dropped` | no message was dropped in the last 5 minutes (`SPAN_SECONDS`) | some was | |
"""

from collections.abc import Iterator

from mprism.http.history import SPAN_SECONDS, BacklogHigh
from mprism.http.look import Check, Look, Status
from mprism.state import BrokerStatus, Phase


def delivery_checks(look: Look) -> Iterator[Check]:
    """The checks of the way from the channel to the broker."""
    yield check_broker(look)
    yield check_delivery(look)
    yield check_backlog(look)
    yield check_dropped(look)


def check_broker(look: Look) -> Check:
    """Whether the broker is there."""
    broker = look.state.broker
    if broker.status is BrokerStatus.CONNECTED:
        return look.check("broker", Status.HEALTHY, None, broker.since)
    if broker.status is BrokerStatus.STOPPED and look.state.phase is Phase.STOPPING:
        return look.check("broker", Status.HEALTHY, "stopped", broker.since)
    reason = broker.status.value
    cause = broker.reason or broker.last_error
    if cause is not None:
        reason += f"; {cause}"
    status = Status.UNHEALTHY if look.broker_is_away() else Status.DEGRADED
    return look.check("broker", status, reason, broker.down_since)


def check_delivery(look: Look) -> Check:
    """Whether what was received is stored."""
    oldest = look.oldest_since()
    stalled = look.stalled_since()
    if stalled is not None:
        return look.check(
            "delivery", Status.UNHEALTHY, "the broker is connected and stores nothing", stalled
        )
    if not look.lasts(oldest, look.settings.grace_seconds):
        return look.check("delivery", Status.HEALTHY)
    connected = look.state.broker.status is BrokerStatus.CONNECTED
    reason = "catching up" if connected else "waiting for the broker"
    waiting = look.state.publisher.backlog_messages + look.state.publisher.messages_in_flight
    return look.check("delivery", Status.DEGRADED, f"{reason}: {waiting} messages wait", oldest)


def check_backlog(look: Look) -> Check:
    """Whether there is room for what waits."""
    publisher = look.state.publisher
    reason = f"{publisher.backlog_bytes} of {publisher.backlog_limit_bytes} bytes taken"
    if not publisher.backlog_bytes * 2 > publisher.backlog_limit_bytes > 0:
        return look.check("backlog", Status.HEALTHY, reason)
    since = look.history.begun(BacklogHigh(), look.now)
    return look.check("backlog", Status.DEGRADED, reason, since)


def check_dropped(look: Look) -> Check:
    """Whether everything lately received had its chance to be stored."""
    risen = look.history.recent(
        look.now, look.state.publisher.dropped, lambda sample: sample.dropped
    )
    if risen is None:
        return look.check("dropped", Status.HEALTHY)
    counts, since = risen
    by_reason = ", ".join(
        f"{n} {data_type} ({reason})" for (reason, data_type), n in counts.most_common()
    )
    text = f"messages dropped in the last {SPAN_SECONDS:.0f} s: {counts.total()}: {by_reason}"
    return look.check("dropped", Status.DEGRADED, text, since)
