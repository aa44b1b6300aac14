"""The verdict and readiness over states with exact times."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

import pytest

from mprism.http.health import ready, verdict
from mprism.http.look import Status
from mprism.state import BrokerStatus, FeedStatus
from tests.unit.health_events import (
    after_quiet_market,
    backlog,
    book_back,
    book_out,
    both_lost,
    broker_lost,
    dropped,
    one_lost,
    patient_stream,
    reconnected_after_silence,
    refused,
    refused_stream,
    rejected,
    rest,
    restless,
    silent_stream,
    stopped,
    stopped_broker,
    stopping,
    stopping_for_long,
    unsteady,
    waiting,
)
from tests.unit.http_states import World, running_world, said, starting_world


@dataclass(frozen=True)
class Case:
    """What happens to a running collector, and what is then said. Unnamed checks are healthy."""

    name: str
    happen: Callable[[World], None]
    status: Status
    bad: dict[str, Status] = field(default_factory=dict)
    ready: bool = True


HEALTHY, DEGRADED, UNHEALTHY = Status
SPOT, USDM = "feed:binance_spot", "feed:binance_derivatives"

CASES = (
    Case("all is well", rest(120), HEALTHY),
    Case("a feed reconnects within the grace", one_lost(10), HEALTHY),
    Case("a feed is away for longer", one_lost(10.1), DEGRADED, {SPOT: DEGRADED}, ready=False),
    Case("a restless feed within the grace", restless(10), HEALTHY),
    Case("a restless feed", restless(11), DEGRADED, {SPOT: DEGRADED}, ready=False),
    Case("a feed that connected five times", unsteady(4), HEALTHY),
    Case("a feed that does not hold", unsteady(6), DEGRADED, {SPOT: DEGRADED}),
    Case(
        "a feed is refused",
        refused("binance_spot"),
        DEGRADED,
        {SPOT: DEGRADED},
        ready=False,
    ),
    Case(
        "every feed is refused",
        refused("binance_spot", "binance_derivatives"),
        UNHEALTHY,
        {"feeds": UNHEALTHY, SPOT: DEGRADED, USDM: DEGRADED},
        ready=False,
    ),
    Case("a feed is stopped", stopped, DEGRADED, {SPOT: DEGRADED}, ready=False),
    Case(
        "one feed away for longer, one not",
        both_lost(10),
        DEGRADED,
        {SPOT: DEGRADED},
        ready=False,
    ),
    Case(
        "all feeds away for longer",
        both_lost(10.1),
        UNHEALTHY,
        {"feeds": UNHEALTHY, SPOT: DEGRADED, USDM: DEGRADED},
        ready=False,
    ),
    Case("a stream pauses", silent_stream(29), HEALTHY),
    Case("a stream is silent", silent_stream(31), DEGRADED, {"streams:binance_spot": DEGRADED}),
    Case("a patient stream pauses", patient_stream(20, 49), HEALTHY),
    Case(
        "a patient stream is silent",
        patient_stream(20, 51),
        DEGRADED,
        {"streams:binance_spot": DEGRADED},
    ),
    Case("a stream that may always be silent", patient_stream(inf, 3_000), HEALTHY),
    Case("a stream is refused", refused_stream, DEGRADED, {"streams:binance_spot": DEGRADED}),
    Case("a new connection has the whole time", reconnected_after_silence, HEALTHY),
    Case("a book resynchronises", book_out(10), HEALTHY),
    Case("a book stays out", book_out(13), DEGRADED, {"books:binance_spot": DEGRADED}),
    Case("a book is back", book_back, HEALTHY),
    Case(
        "frames were rejected lately", rejected(290), DEGRADED, {"rejected:binance_spot": DEGRADED}
    ),
    Case("frames were rejected long ago", rejected(303), HEALTHY),
    Case("the broker is just away", broker_lost(0), DEGRADED, {"broker": DEGRADED}),
    Case("the broker is away for the grace", broker_lost(10), DEGRADED, {"broker": DEGRADED}),
    Case(
        "the broker is away for longer",
        broker_lost(10.1),
        UNHEALTHY,
        {"broker": UNHEALTHY},
        ready=False,
    ),
    Case("messages wait for the grace", waiting(10, acknowledged=0), HEALTHY),
    Case(
        "messages wait while others are stored",
        waiting(20, acknowledged=1),
        DEGRADED,
        {"delivery": DEGRADED},
    ),
    Case(
        "the broker stores nothing",
        waiting(13, acknowledged=0),
        UNHEALTHY,
        {"delivery": UNHEALTHY},
        ready=False,
    ),
    Case("a message after a quiet market", after_quiet_market, HEALTHY),
    Case("half of the backlog is taken", backlog(500), HEALTHY),
    Case("more than half is taken", backlog(501), DEGRADED, {"backlog": DEGRADED}),
    Case("messages were dropped lately", dropped(290), DEGRADED, {"dropped": DEGRADED}),
    Case("messages were dropped long ago", dropped(303), HEALTHY),
    Case("stopping", stopping, DEGRADED, {"phase": DEGRADED}, ready=False),
    Case("stopping for long", stopping_for_long, DEGRADED, {"phase": DEGRADED}, ready=False),
    Case("stopping, broker closed", stopped_broker, DEGRADED, {"phase": DEGRADED}, ready=False),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_and_readiness(case: Case) -> None:
    world = running_world()
    case.happen(world)
    health = verdict(world.state, world.settings, world.clock(), world.history)
    bad = {check.name: check.status for check in health.checks if check.status is not HEALTHY}
    assert bad == case.bad
    assert health.status is case.status
    assert all(check.reason for check in health.checks if check.status is not HEALTHY)
    readiness = ready(world.state, world.settings, world.clock(), world.history)
    assert readiness.ready is case.ready
    assert bool(readiness.reasons) is not case.ready


@pytest.mark.parametrize(
    ("seconds", "status", "bad"),
    [
        (60, DEGRADED, {"phase": DEGRADED, "broker": DEGRADED, SPOT: DEGRADED, USDM: DEGRADED}),
        (
            60.1,
            UNHEALTHY,
            {
                "phase": UNHEALTHY,
                "broker": UNHEALTHY,
                "feeds": UNHEALTHY,
                SPOT: DEGRADED,
                USDM: DEGRADED,
            },
        ),
    ],
)
def test_a_start_has_a_grace_of_its_own(
    seconds: float, status: Status, bad: dict[str, Status]
) -> None:
    world = starting_world()
    world.pass_time(seconds)
    checks = said(world)
    assert {c.name: c.status for c in checks.values() if c.status is not HEALTHY} == bad
    assert verdict(world.state, world.settings, world.clock()).status is status
    readiness = ready(world.state, world.settings, world.clock())
    assert readiness.reasons == [
        "starting",
        "feed:binance_spot: starting",
        "feed:binance_derivatives: starting",
        "broker: connecting",
    ]


def test_no_feed_at_all_is_worse_than_one_that_is_down() -> None:
    world = running_world()
    world.state.feeds.clear()
    assert said(world)["feeds"].status is DEGRADED
    world.pass_time(60)
    feeds = said(world)["feeds"]
    assert (feeds.status, feeds.reason, feeds.for_seconds) == (UNHEALTHY, "there is no feed", 65.0)
    assert ready(world.state, world.settings, world.clock()).reasons == ["there is no feed"]


def test_a_broker_that_stops_unasked_is_unhealthy() -> None:
    world = running_world()
    world.state.broker.enter(BrokerStatus.STOPPED)
    assert said(world)["broker"].status is UNHEALTHY
    assert not ready(world.state, world.settings, world.clock()).ready


def test_a_feed_that_was_never_live_has_the_start_grace() -> None:
    world = running_world()
    for feed in world.state.feeds.values():
        feed.last_data_at = None
        feed.enter(FeedStatus.BACKING_OFF, "no such host")
    world.pass_time(60)
    assert said(world)["feeds"].status is HEALTHY
    world.pass_time(0.1)
    assert said(world)["feeds"].status is UNHEALTHY
