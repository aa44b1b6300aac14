"""The verdict, readiness and liveness, over states with exact times."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mprism.http.health import live, ready, verdict
from mprism.http.look import Check, Status
from mprism.state import BrokerStatus, CollectorState, FeedStatus, Phase, StreamState
from tests.unit.http_states import START, World, connect, running_world, starting_world


def lose(world: World, name: str, status: FeedStatus = FeedStatus.BACKING_OFF) -> None:
    feed = world.feed(name)
    feed.failed("connection reset")
    feed.enter(status, "connection reset")


def lose_broker(world: World) -> None:
    world.state.broker.enter(BrokerStatus.AWAY, "connection refused")


def rest(seconds: float) -> Callable[[World], None]:
    """Time passes, and every live stream speaks."""
    return lambda world: world.pass_time(seconds, quiet=False)


def one_lost(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        lose(world, "binance_spot")
        rest(seconds)(world)

    return happen


def both_lost(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        lose(world, "binance_spot")
        rest(3)(world)
        lose(world, "binance_derivatives")
        rest(seconds)(world)

    return happen


def broker_lost(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        lose_broker(world)
        rest(seconds)(world)

    return happen


def restless(seconds: float) -> Callable[[World], None]:
    """A feed that never gets to valid data, whatever it goes through."""

    def happen(world: World) -> None:
        lose(world, "binance_spot")
        for step in range(int(seconds)):
            statuses = (FeedStatus.CONNECTING, FeedStatus.SUBSCRIBING, FeedStatus.BACKING_OFF)
            world.feed().enter(statuses[step % 3])
            rest(1)(world)

    return happen


def unsteady(connects: int) -> Callable[[World], None]:
    """A feed that has data after each connection, and then breaks."""

    def happen(world: World) -> None:
        for _ in range(connects):
            lose(world, "binance_spot")
            rest(2)(world)
            connect(world.feed())
            rest(2)(world)

    return happen


def refused(*names: str) -> Callable[[World], None]:
    def happen(world: World) -> None:
        for name in names:
            lose(world, name, FeedStatus.REFUSED)

    return happen


def stopped(world: World) -> None:
    world.feed().enter(FeedStatus.STOPPED)


def silent_stream(seconds: float) -> Callable[[World], None]:
    """One stream of two ends without a word."""

    def happen(world: World) -> None:
        feed = world.feed()
        for _ in range(int(seconds)):
            world.pass_time(1)
            world.receive(feed, "btcusdt@depth@100ms")
            for stream in world.feed("binance_derivatives").streams:
                world.receive(world.feed("binance_derivatives"), stream)

    return happen


def reconnected_after_silence(world: World) -> None:
    silent_stream(31)(world)
    lose(world, "binance_spot")
    connect(world.feed())
    silent_stream(29)(world)


def book_out(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        feed = world.feed()
        feed.books_live.discard("BTC-USDT")
        feed.books_out["BTC-USDT"] = "expected 7, got 9"
        rest(seconds)(world)

    return happen


def book_back(world: World) -> None:
    book_out(20)(world)
    world.feed().books_out.clear()
    rest(2)(world)


def rejected(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.feed().rejected["malformed"] += 3
        rest(seconds)(world)

    return happen


def dropped(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.state.publisher.dropped["backlog_full", "orderbook"] += 40
        world.state.publisher.dropped["backlog_full", "trade"] += 2
        rest(seconds)(world)

    return happen


def backlog(taken: int) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.state.publisher.backlog_bytes = taken

    return happen


def waiting(seconds: float, acknowledged: int) -> Callable[[World], None]:
    """A message waits, while so many others are acknowledged each second."""

    def happen(world: World) -> None:
        world.state.publisher.oldest_recv_ns = int(world.clock() * 1e9)
        world.state.publisher.messages_in_flight = 7
        for _ in range(int(seconds)):
            world.state.publisher.acknowledged += acknowledged
            world.pass_time(1)

    return happen


def after_quiet_market(world: World) -> None:
    """Nothing came for a while, so nothing was acknowledged; then one message comes."""
    world.pass_time(25)
    world.state.publisher.oldest_recv_ns = int(world.clock() * 1e9)


def stopping(world: World) -> None:
    world.state.enter(Phase.STOPPING)
    for feed in world.state.feeds.values():
        feed.enter(FeedStatus.STOPPED)
    world.pass_time(15)


def stopping_for_long(world: World) -> None:
    stopping(world)
    world.pass_time(60)


def stopped_broker(world: World) -> None:
    stopping(world)
    world.state.broker.enter(BrokerStatus.STOPPED)


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


def said(world: World) -> dict[str, Check]:
    health = verdict(world.state, world.settings, world.clock(), world.history)
    return {check.name: check for check in health.checks}


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


@pytest.mark.parametrize(
    ("happen", "name", "reason", "since", "for_seconds"),
    [
        (rest(10), "phase", "running", "2023-11-14T22:13:24.000Z", 11.0),
        (rest(10), "feeds", "2 of 2 live", None, None),
        (both_lost(12), "feeds", "0 of 2 live", "2023-11-14T22:13:28.000Z", 12.0),
        (
            one_lost(4.5),
            SPOT,
            "backing off; connection reset; failed attempts: 1",
            "2023-11-14T22:13:25.000Z",
            4.5,
        ),
        (
            silent_stream(31),
            "streams:binance_spot",
            "1 of 2 silent: btcusdt@trade (acknowledged)",
            "2023-11-14T22:13:24.000Z",
            32.0,
        ),
        (
            book_out(16),
            "books:binance_spot",
            "1 out of sequence: BTC-USDT (expected 7, got 9)",
            "2023-11-14T22:13:25.000Z",
            16.0,
        ),
        (
            rejected(8),
            "rejected:binance_spot",
            "frames rejected in the last 300 s: 3 (malformed 3)",
            "2023-11-14T22:13:25.000Z",
            8.0,
        ),
        (
            unsteady(6),
            SPOT,
            "connected 7 times in the last 300 s; last error: connection reset",
            "2023-11-14T22:13:24.000Z",
            25.0,
        ),
        (
            broker_lost(3),
            "broker",
            "away; connection refused",
            "2023-11-14T22:13:25.000Z",
            3.0,
        ),
        (
            waiting(13, acknowledged=0),
            "delivery",
            "the broker is connected and stores nothing",
            "2023-11-14T22:13:25.000Z",
            13.0,
        ),
        (
            waiting(13, acknowledged=1),
            "delivery",
            "catching up: 7 messages wait",
            "2023-11-14T22:13:25.000Z",
            13.0,
        ),
        (backlog(501), "backlog", "501 of 1000 bytes taken", "2023-11-14T22:13:25.000Z", 0.0),
        (
            dropped(30),
            "dropped",
            "messages dropped in the last 300 s: 42: 40 orderbook (backlog_full), "
            "2 trade (backlog_full)",
            "2023-11-14T22:13:25.000Z",
            30.0,
        ),
    ],
)
def test_a_check_says_why_and_since_when(
    happen: Callable[[World], None],
    name: str,
    reason: str,
    since: str | None,
    for_seconds: float | None,
) -> None:
    world = running_world()
    happen(world)
    check = said(world)[name]
    assert check.reason == reason
    assert (check.since, check.for_seconds) == (since, for_seconds)


def test_messages_that_wait_for_an_absent_broker_do_not_count_twice() -> None:
    world = running_world()
    lose_broker(world)
    waiting(13, acknowledged=0)(world)
    delivery = said(world)["delivery"]
    assert delivery.status is DEGRADED
    assert delivery.reason == "waiting for the broker: 7 messages wait"


def test_what_is_done_about_a_feed_is_said() -> None:
    world = running_world()
    lose(world, "binance_spot", FeedStatus.THROTTLED)
    world.feed().enter(FeedStatus.THROTTLED, "429, Retry-After 40")
    world.feed().next_attempt_at = world.clock() + 40
    world.pass_time(12)
    assert said(world)[SPOT].reason == (
        "throttled; 429, Retry-After 40; failed attempts: 1; next attempt in 28.0 s"
    )


def test_a_long_list_of_streams_is_cut() -> None:
    world = running_world()
    feed = world.feed()
    for i in range(8):
        feed.streams[f"coin{i}usdt@trade"] = StreamState()
    world.pass_time(31)
    reason = said(world)["streams:binance_spot"].reason
    assert reason is not None
    assert reason.startswith("10 of 10 silent: btcusdt@trade (acknowledged), ")
    assert "coin0usdt@trade (not acknowledged)" in reason
    assert reason.endswith(" and 5 more")


def test_a_feed_that_ends_by_itself_needs_no_error_to_be_unsteady() -> None:
    world = running_world()
    for _ in range(6):
        connect(world.feed())
    assert said(world)[SPOT].reason == "connected 7 times in the last 300 s"


def test_the_worst_check_comes_first() -> None:
    world = running_world()
    dropped(1)(world)
    broker_lost(11)(world)
    names = [
        check.name
        for check in verdict(world.state, world.settings, world.clock(), world.history).checks
    ]
    assert names[:2] == ["broker", "dropped"]


def test_streams_of_a_feed_that_is_away_are_not_judged() -> None:
    world = running_world()
    one_lost(40)(world)
    streams = said(world)["streams:binance_spot"]
    assert (streams.status, streams.reason) == (HEALTHY, "not connected")


def test_coverage_says_how_old_the_last_event_is() -> None:
    world = running_world()
    world.receive(world.feed(), "btcusdt@depth@100ms", "orderbook")
    world.pass_time(2.5)
    health = verdict(world.state, world.settings, world.clock(), world.history)
    lines = {
        (line.exchange, line.market_type, line.data_type): (
            line.age_seconds,
            line.events,
            line.published,
            line.last_event,
        )
        for line in health.coverage
    }
    assert lines == {
        ("binance_derivatives", "perpetual", "trade"): (3.5, 2, 2, "2023-11-14T22:13:24.000Z"),
        ("binance_spot", "spot", "orderbook"): (2.5, 1, 1, "2023-11-14T22:13:25.000Z"),
        ("binance_spot", "spot", "trade"): (3.5, 2, 2, "2023-11-14T22:13:24.000Z"),
    }


def test_a_clock_that_is_set_back_makes_no_negative_ages() -> None:
    world = running_world()
    rejected(10)(world)
    world.clock.now = START - 3_600
    world.history.sample(world.state, world.clock.now)
    health = verdict(world.state, world.settings, world.clock(), world.history)
    assert health.status is HEALTHY
    assert health.uptime_seconds == 0.0
    assert all(line.age_seconds == 0.0 for line in health.coverage)


def test_live_does_not_depend_on_anything_but_this_process() -> None:
    world = running_world()
    broker_lost(30)(world)
    refused("binance_spot", "binance_derivatives")(world)
    liveness = live(world.state, world.clock())
    assert (liveness.alive, liveness.phase, liveness.uptime_seconds) == (True, Phase.RUNNING, 35.0)


def test_the_verdict_changes_nothing() -> None:
    world = running_world()
    one_lost(20)(world)
    moments = [verdict(world.state, world.settings, world.clock(), world.history) for _ in "ab"]
    assert moments[0] == moments[1]


def test_without_a_history_only_the_present_is_judged() -> None:
    world = running_world()
    dropped(10)(world)
    assert verdict(world.state, world.settings, world.clock()).status is HEALTHY


def test_an_empty_state_has_a_verdict() -> None:
    state = CollectorState(version="0", configuration={}, clock=lambda: START)
    world_settings = starting_world().settings
    assert verdict(state, world_settings, START).status is DEGRADED
    assert verdict(state, world_settings, START).coverage == []
