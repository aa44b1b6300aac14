"""The verdict on the whole collector, and the answers to probes. Pure: `now` is passed in.

The verdict is the worst of its checks. Where their lines lie is written in `look`,
`feed_checks` and `delivery_checks`; here is the one on the process itself:

| check | healthy | degraded | unhealthy |
|---|---|---|---|
| `phase` | running | stopping; starting, up to the start grace | starting for longer |

While the collector stops, the feeds are not judged: their end is what was asked for.

`ready` is stricter than the verdict, because a new collector should take over from an old one
only when it delivers everything. It is true when all of these hold:

- the phase is running;
- there are feeds, and each is live, or was live and has been away for up to the grace;
- the broker is connected, or was and has been away for up to the grace;
- delivery is not stalled.

So one refused feed makes a collector not ready, while its verdict is merely degraded.

`live` is about this process alone: whoever gets the answer knows that its loop turns. A broker
or an exchange that is down does not change it, for a restart would not bring those back.
"""

from collections.abc import Iterator

from msgspec import Struct

from mprism.http.delivery_checks import delivery_checks
from mprism.http.feed_checks import describe, feed_checks
from mprism.http.history import History
from mprism.http.instant import age, seconds, stamp
from mprism.http.look import Check, Look, Status
from mprism.settings import HttpSettings
from mprism.state import BrokerStatus, CollectorState, FeedState, FeedStatus, Phase

_RANK = {status: rank for rank, status in enumerate(Status)}


class CoverageLine(Struct, frozen=True, kw_only=True):
    """What has come of one data type. Ages are in seconds, by the time of receipt."""

    exchange: str
    market_type: str
    data_type: str
    last_event: str | None
    age_seconds: float | None
    events: int
    published: int


class Health(Struct, frozen=True, kw_only=True):
    """The verdict; the worst checks come first."""

    status: Status
    time: str | None
    phase: Phase
    uptime_seconds: float | None
    checks: list[Check]
    coverage: list[CoverageLine]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether everything is delivered, and if not, all reasons."""

    ready: bool
    phase: Phase
    reasons: list[str]


class Liveness(Struct, frozen=True, kw_only=True):
    """That this process answers."""

    alive: bool
    phase: Phase
    uptime_seconds: float | None


def verdict(
    state: CollectorState, settings: HttpSettings, now: float, history: History | None = None
) -> Health:
    """The verdict at `now`, in Unix seconds.

    Without a history, what only a past can tell is judged healthy: what rose lately, books
    out of sequence, stalled delivery.
    """
    look = Look(state, settings, now, history or History())
    checks = sorted(_checks(look), key=lambda check: -_RANK[check.status])
    return Health(
        status=checks[0].status,
        time=stamp(now),
        phase=state.phase,
        uptime_seconds=age(state.started_at, now),
        checks=checks,
        coverage=coverage(state, now),
    )


def _checks(look: Look) -> Iterator[Check]:
    yield check_phase(look)
    if look.state.phase is not Phase.STOPPING:
        yield from feed_checks(look)
    yield from delivery_checks(look)


def check_phase(look: Look) -> Check:
    """Where the process is in its life."""
    state = look.state
    if state.phase is Phase.RUNNING:
        return look.check("phase", Status.HEALTHY, "running", state.phase_since)
    late = look.lasts(state.phase_since, look.settings.start_grace_seconds)
    bad = state.phase is Phase.STARTING and late
    status = Status.UNHEALTHY if bad else Status.DEGRADED
    return look.check("phase", status, state.phase.value, state.phase_since)


def coverage(state: CollectorState, now: float) -> list[CoverageLine]:
    """What has come so far, by exchange, market and data type."""
    lines = []
    for (exchange, market_type, data_type), delivery in sorted(state.publisher.deliveries.items()):
        received_at = seconds(delivery.last_recv_ns)
        lines.append(
            CoverageLine(
                exchange=exchange,
                market_type=market_type,
                data_type=data_type,
                last_event=stamp(received_at),
                age_seconds=age(received_at, now),
                events=delivery.received,
                published=delivery.published,
            )
        )
    return lines


def ready(
    state: CollectorState, settings: HttpSettings, now: float, history: History | None = None
) -> Readiness:
    """Whether everything that is configured is delivered at `now`."""
    reasons = list(_not_ready(Look(state, settings, now, history or History())))
    return Readiness(ready=not reasons, phase=state.phase, reasons=reasons)


def _not_ready(look: Look) -> Iterator[str]:
    state = look.state
    if state.phase is not Phase.RUNNING:
        yield state.phase.value
    if not state.feeds:
        yield "there is no feed"
    for feed in state.feeds.values():
        if not _delivers(look, feed):
            yield f"feed:{feed.name}: {describe(feed, look.now)}"
    broker = state.broker
    if look.broker_is_away() or (
        broker.status is not BrokerStatus.CONNECTED and not broker.connects
    ):
        yield f"broker: {broker.status.value}"
    if look.stalled_since() is not None:
        yield "delivery: the broker stores nothing"


def _delivers(look: Look, feed: FeedState) -> bool:
    if feed.status is FeedStatus.LIVE:
        return True
    return feed.last_data_at is not None and not look.feed_is_down(feed)


def live(state: CollectorState, now: float) -> Liveness:
    """That this process answers, for how long it runs and what it is at."""
    return Liveness(alive=True, phase=state.phase, uptime_seconds=age(state.started_at, now))
