"""What the verdict says of its checks: why, since when, in which order; and of coverage."""

from collections.abc import Callable

import pytest

from mprism.http.health import live, verdict
from mprism.http.look import Status
from mprism.state import CollectorState, FeedStatus, Phase, StreamState
from tests.unit.health_events import (
    backlog,
    book_out,
    both_lost,
    broker_lost,
    dropped,
    lose,
    lose_broker,
    one_lost,
    refused,
    refused_stream,
    rejected,
    rest,
    silent_stream,
    unsteady,
    waiting,
)
from tests.unit.http_states import START, World, connect, running_world, said, starting_world

HEALTHY, DEGRADED, UNHEALTHY = Status
SPOT = "feed:binance_spot"


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
            refused_stream,
            "streams:binance_spot",
            "1 of 2 refused: btcusdt@trade (60018: no such channel)",
            "2023-11-14T22:13:25.000Z",
            10.0,
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


def test_a_refused_stream_is_told_before_silent_ones() -> None:
    world = running_world()
    refused_stream(world)
    feed = world.feed()
    for i in range(7):
        feed.streams[f"coin{i}usdt@trade"] = StreamState(refused="no such symbol")
    world.pass_time(31)
    reason = said(world)["streams:binance_spot"].reason
    assert reason is not None
    assert reason.startswith("8 of 9 refused: btcusdt@trade (60018: no such channel), coin0usdt@")
    assert reason.endswith("coin3usdt@trade (no such symbol) and 3 more")


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
    refused_stream(world)
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
