"""What follows each failure of a feed, at exact virtual times."""

import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.feed import Feed
from mprism.feeds.protocol import Continuity
from mprism.feeds.venue import ConnectionPlan
from mprism.nursery import supervisor
from mprism.nursery.backoff import Backoff
from mprism.nursery.supervisor import run_feed, worst
from mprism.state import FeedStatus

from .scripted import (
    Recorded,
    ScriptedConnection,
    ScriptedExchange,
    ScriptedProtocol,
    ScriptedRest,
    make_feed,
    trade,
)


@pytest.fixture(autouse=True)
def longest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jitter at its upper bound, so that times are exact."""

    def longest(first_seconds: float, cap_seconds: float) -> Backoff:
        return Backoff(first_seconds, cap_seconds, uniform=lambda: 1.0)

    monkeypatch.setattr(supervisor, "Backoff", longest)


def feed_of(sink: Recorded) -> Feed[ConnectionPlan]:
    script = {f"data {n}": [trade(n)] for n in range(10)}
    return make_feed(sink, lambda continuity: ScriptedProtocol(continuity, script))


async def run_for(seconds: float, feed: Feed[ConnectionPlan], exchange: ScriptedExchange) -> None:
    with trio.move_on_after(seconds):
        await run_feed(feed, exchange.connect, ScriptedRest())


async def test_waits_double_up_to_the_cap(autojump_clock: MockClock) -> None:
    exchange = ScriptedExchange(*[NetworkFault("no route")] * 6)
    await run_for(100, feed_of(Recorded()), exchange)
    assert exchange.attempts == [0, 1, 3, 7, 15, 23, 31]


async def test_backoff_begins_anew_after_data_only(autojump_clock: MockClock) -> None:
    silent = [ScriptedConnection([(1, ["{}"])]) for _ in range(3)]
    exchange = ScriptedExchange(*silent, ScriptedConnection([(1, ["data 1"])]))
    sink = Recorded()
    await run_for(100, feed_of(sink), exchange)
    # Three connections of a second each without data: 1, 2 and 4 s. Then data: 1 s.
    assert exchange.attempts == [0, 2, 5, 10, 12]
    assert sink.events == [trade(1)]


@pytest.mark.parametrize(
    ("failure", "again_at", "status"),
    [
        (NetworkFault("reset"), 1, FeedStatus.BACKING_OFF),
        (Throttled("429", 30.0), 31, FeedStatus.THROTTLED),
        (Refused("403"), 101, FeedStatus.REFUSED),
    ],
)
async def test_each_class_of_failure_has_its_wait(
    failure: FeedError, again_at: float, status: FeedStatus, autojump_clock: MockClock
) -> None:
    exchange, feed = ScriptedExchange(failure), feed_of(Recorded())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_feed, feed, exchange.connect, ScriptedRest())
        await trio.sleep(0.5)
        assert (feed.state.status, feed.state.reason) == (status, str(failure))
        assert feed.state.next_attempt_at == again_at
        await trio.sleep(200)
        nursery.cancel_scope.cancel()
    assert exchange.attempts == [0, again_at]
    assert feed.state.status is FeedStatus.STOPPED


async def test_a_connection_without_data_is_replaced(autojump_clock: MockClock) -> None:
    beats = ScriptedConnection([(n, ["{}"]) for n in range(1, 60)], ends=False)
    exchange, feed = ScriptedExchange(beats), feed_of(Recorded())
    await run_for(30, feed, exchange)
    assert exchange.attempts == [0, 21]  # idle for 20 s, then a wait of 1 s
    assert feed.state.last_error == "no data for 20 s"


async def test_a_bug_goes_through(autojump_clock: MockClock) -> None:
    class Broken(ScriptedProtocol):
        def open(self) -> tuple[()]:
            raise ZeroDivisionError

    def make(continuity: Continuity) -> Broken:
        return Broken(continuity, {})

    exchange = ScriptedExchange(ScriptedConnection([]))
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await run_feed(make_feed(Recorded(), make), exchange.connect, ScriptedRest())


def test_the_worst_of_several_failures_decides() -> None:
    network, throttled, refused = NetworkFault("a"), Throttled("b", 1.0), Refused("c")
    inner = ExceptionGroup("", [throttled, refused])
    assert worst(ExceptionGroup[FeedError]("", [network, inner])) is refused  # type: ignore[list-item]
    assert worst(ExceptionGroup("", [network, throttled])) is throttled
    assert worst(ExceptionGroup("", [network])) is network
