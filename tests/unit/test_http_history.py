"""Samples of counters: rates, what rose lately, since when."""

from collections import Counter

import trio
from trio.testing import MockClock

from mprism.http import server
from mprism.http.history import BookOut, History, Sample
from mprism.state import CollectorState, FeedState
from tests.unit.http_states import START, Clock, World, running_world


def world_with_one_feed() -> World:
    clock = Clock()
    state = CollectorState(version="0", configuration={}, clock=clock)
    state.feeds["spot"] = FeedState("spot", "binance_spot", "wss://x.test", clock=clock)
    return World(clock, state)


def frames(sample: Sample) -> int:
    return sample.feed("spot").frames


def rejected(sample: Sample) -> Counter[str]:
    return Counter(sample.feed("spot").rejected)


def test_a_rate_is_taken_over_what_there_is_up_to_a_minute() -> None:
    world = world_with_one_feed()
    feed = world.feed("spot")
    for _ in range(10):
        feed.frames += 5
        world.pass_time(2)
    rates = world.history.rates(world.clock())
    assert rates.over_seconds() == 20.0
    assert rates.of(feed.frames, frames) == 2.2  # the first five were there at the first sample

    for _ in range(60):
        feed.frames += 20
        world.pass_time(2)
    rates = world.history.rates(world.clock())
    assert rates.over_seconds() == 60.0
    assert rates.of(feed.frames, frames) == round(20 * 29 / 60, 1)


def test_there_is_no_rate_without_samples_or_in_the_first_second() -> None:
    world = world_with_one_feed()
    rates = world.history.rates(world.clock())
    assert rates.of(10, frames) is None
    assert rates.over_seconds() is None
    world.history.sample(world.state, START)
    assert world.history.rates(START + 0.9).of(10, frames) is None
    assert world.history.rates(START + 1.0).of(10, frames) == 10.0
    assert world.history.rates(START + 61).of(10, frames) is None


def test_a_counter_that_starts_anew_does_not_go_backwards() -> None:
    world = world_with_one_feed()
    feed = world.feed("spot")
    feed.frames = 1_000
    feed.rejected["malformed"] = 5
    world.pass_time(10)
    feed.frames = 3
    feed.rejected["malformed"] = 1
    assert world.history.rates(world.clock()).of(feed.frames, frames) == 0.0
    assert world.history.recent(world.clock(), feed.rejected, rejected) is None


def test_a_feed_that_a_sample_does_not_know_counts_from_zero() -> None:
    world = world_with_one_feed()
    feed = world.state.feeds.pop("spot")
    world.pass_time(10)
    world.state.feeds["spot"] = feed
    feed.frames = 30
    assert world.history.rates(world.clock()).of(feed.frames, frames) == 3.0


def test_what_rose_lately_is_named_with_its_beginning() -> None:
    world = world_with_one_feed()
    feed = world.feed("spot")
    feed.rejected["malformed"] = 4
    world.pass_time(10)
    assert world.history.recent(world.clock(), feed.rejected, rejected) is None
    feed.rejected["unknown_event"] += 2
    assert world.history.recent(world.clock(), feed.rejected, rejected) == (
        Counter(unknown_event=2),
        START + 10,  # no sample knows of it yet: now
    )
    world.pass_time(50)
    feed.rejected["malformed"] += 1
    world.pass_time(20)
    assert world.history.recent(world.clock(), feed.rejected, rejected) == (
        Counter(unknown_event=2, malformed=1),
        START + 10,
    )


def test_what_rose_is_forgotten_after_the_span() -> None:
    world = world_with_one_feed()
    feed = world.feed("spot")
    world.pass_time(10)
    feed.rejected["malformed"] += 1
    world.pass_time(298)
    assert world.history.recent(world.clock(), feed.rejected, rejected) is not None
    world.pass_time(1)
    assert world.history.recent(world.clock(), feed.rejected, rejected) is None


def test_the_number_of_samples_is_bounded() -> None:
    world = world_with_one_feed()
    for i in range(10_000):
        world.history.sample(world.state, START + i / 1_000)
    feed = world.feed("spot")
    feed.frames = 151
    # The oldest of 151 samples is 150 ms before the last one: too close for a rate.
    assert world.history.rates(START + 9.999).over_seconds() is None
    assert world.history.rates(START + 11).over_seconds() == 1.151


def test_a_condition_begins_anew_after_it_ended() -> None:
    world = world_with_one_feed()
    feed = world.feed("spot")
    condition = BookOut("spot", "BTC-USDT")
    assert world.history.begun(condition, world.clock()) == START
    feed.books_out["BTC-USDT"] = "gap"
    world.pass_time(8)
    assert world.history.begun(condition, world.clock()) == START
    feed.books_out.clear()
    world.pass_time(2)
    feed.books_out["BTC-USDT"] = "gap"
    world.pass_time(4)
    assert world.history.begun(condition, world.clock()) == START + 10


def test_acknowledgements_count_as_progress_when_they_come() -> None:
    world = running_world()
    assert History().unacknowledged_since(world.state) is None
    world.pass_time(10)
    assert world.history.unacknowledged_since(world.state) == START + 4
    world.state.publisher.acknowledged += 1
    assert world.history.unacknowledged_since(world.state) is None
    world.history.sample(world.state, world.clock())
    assert world.history.unacknowledged_since(world.state) == START + 15


def test_a_clock_that_is_set_back_starts_the_history_anew() -> None:
    world = world_with_one_feed()
    feed = world.feed("spot")
    feed.books_out["BTC-USDT"] = "gap"
    world.pass_time(20)
    feed.rejected["malformed"] += 1
    world.clock.now = START - 100
    world.history.sample(world.state, world.clock())
    assert world.history.recent(world.clock(), feed.rejected, rejected) is None
    assert world.history.rates(world.clock() + 2).over_seconds() == 2.0
    assert world.history.begun(BookOut("spot", "BTC-USDT"), world.clock()) == START - 100
    assert world.history.unacknowledged_since(world.state) == START - 100


async def test_the_server_samples_every_two_seconds(autojump_clock: MockClock) -> None:
    state = CollectorState(version="0", configuration={}, clock=trio.current_time)
    history, stop = History(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server._sample, history, state, stop)
        await trio.sleep(7)
        state.publisher.acknowledged += 1
        await trio.sleep(10)
        # The sample at 8 s was the first to see it.
        assert history.unacknowledged_since(state) == 8.0
        stop.set()
    assert trio.current_time() == 17.0
