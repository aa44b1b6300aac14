"""A poll, for ever: its rounds and what follows each failure, at exact virtual times."""

from collections.abc import Sequence

import msgspec
import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.nursery import polling
from mprism.nursery.backoff import Backoff
from mprism.nursery.pace import Pace
from mprism.nursery.polling import run_poll
from mprism.settings import BackoffSettings
from mprism.state import FeedStatus

from .scripted import SETTINGS
from .scripted_poll import START, Answer, PollBench, clock


@pytest.fixture(autouse=True)
def longest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jitter at its upper bound, so that times are exact."""

    def longest(first_seconds: float, cap_seconds: float) -> Backoff:
        return Backoff(first_seconds, cap_seconds, uniform=lambda: 1.0)

    monkeypatch.setattr(polling, "Backoff", longest)


async def rounds(
    bench: PollBench, seconds: float, *, begin: float = 0.0, offset: float = 2.0
) -> list[float]:
    """When the rounds began, of a poll that began at `begin` and ran for so long."""
    await trio.sleep(begin)
    with trio.move_on_after(seconds):
        await run_poll(bench.feed, bench.rest, Pace(60.0, offset), clock)
    return [round(at - START, 3) for at in bench.protocols[0].begun]


async def test_the_first_round_is_at_once_and_the_others_with_the_clock(
    autojump_clock: MockClock,
) -> None:
    bench = PollBench({"/a": [b"1"]})
    assert await rounds(bench, 200, begin=37) == [37, 62, 122, 182]
    assert bench.rest.requests["/a"] == [37, 62, 122, 182]


async def test_a_round_that_ends_as_the_next_one_is_due(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1"]})
    bench.rest.seconds = 61.0
    reads = 0

    def running_clock() -> float:
        nonlocal reads
        reads += 1
        return clock() + reads * 1e-3  # some time passes with each look

    with trio.move_on_after(200):
        await run_poll(bench.feed, bench.rest, Pace(60.0, 1.0035), running_clock)
    assert [round(at - START) for at in bench.protocols[0].begun] == [0, 61, 181]


async def test_two_polls_keep_their_distance(autojump_clock: MockClock) -> None:
    one, other = (PollBench({"/a": [b"1"]}) for _ in range(2))
    began: list[list[float]] = []

    async def run(bench: PollBench, offset: float) -> None:
        began.append(await rounds(bench, 130, begin=5, offset=offset))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, one, 1.0)
        nursery.start_soon(run, other, 3.25)
    assert sorted(began) == [[5, 61, 121], [5, 63.25, 123.25]]


async def test_rounds_that_were_missed_are_left_out(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1"]})
    bench.rest.seconds = 130.0  # as where the budget is used up
    assert await rounds(bench, 400) == [0, 182, 362]


async def test_a_poll_lives_with_its_data_and_stops(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1"]})
    seen = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rounds, bench, 100)
        for seconds in (0.25, 50, 100):
            await trio.sleep(seconds)
            seen.append((bench.state.status, bench.state.since - START))
    assert seen == [(FeedStatus.CONNECTING, 0), (FeedStatus.LIVE, 0.5), (FeedStatus.STOPPED, 100)]


async def test_throttled_rounds_come_half_as_often_and_recover(autojump_clock: MockClock) -> None:
    answers: list[Answer] = [Throttled("429", 10.0), b"1", b"2", b"3", b"4"]
    bench = PollBench({"/a": answers})
    # The exchange's 10 s, and one of our own; then one period is left out.
    assert await rounds(bench, 250) == [0, 11.5, 122, 182, 242]


async def test_every_throttling_makes_it_slower_up_to_a_limit(autojump_clock: MockClock) -> None:
    throttled: list[Answer] = [Throttled("429", 0.0) for _ in range(6)]
    bench = PollBench({"/a": [*throttled, b"1"]})
    pace = Pace(60.0, 2.0)
    with trio.move_on_after(2_000):
        await run_poll(bench.feed, bench.rest, pace, clock)
    began = [at - START for at in bench.protocols[0].begun]
    # Waits of 1, 2, 4 s up to 8; then every 16th, 8th, 4th and 2nd period, and each one.
    assert began[:7] == [0, 1.5, 4, 8.5, 17, 25.5, 34]
    assert began[7:] == [962, 1_442, 1_682, 1_802, 1_862, 1_922, 1_982]
    assert pace.factor == 1


async def test_a_fault_of_one_key_changes_nothing_of_the_rounds(autojump_clock: MockClock) -> None:
    answers: dict[str, Sequence[Answer]] = {"/a": [NetworkFault("500")], "/b": [b"1", b"2", b"3"]}
    bench = PollBench(answers, keys="ab")
    assert await rounds(bench, 150, begin=10) == [10, 62, 122]
    assert bench.published == [1, 2, 3]
    assert bench.state.rejected == {"poll failed: NetworkFault": 3}
    assert (bench.state.status, bench.state.attempts) == (FeedStatus.STOPPED, 0)


async def test_a_poll_without_any_answer_backs_off(autojump_clock: MockClock) -> None:
    faults: list[Answer] = [NetworkFault("no route")] * 5
    bench = PollBench({"/a": [*faults, b"1", NetworkFault("again"), b"2"]})
    # 1, 2, 4, 8 and 8 s after rounds of half a second; then with the clock; then 1 s once more,
    # because valid data has come.
    assert await rounds(bench, 150) == [0, 1.5, 4, 8.5, 17, 25.5, 62, 63.5, 122]
    assert bench.published == [1, 2]


async def test_an_answer_without_data_does_not_end_the_backoff(autojump_clock: MockClock) -> None:
    fault = NetworkFault("no route")
    bench = PollBench({"/a": [fault, fault, b"oops", fault, b"1"]})
    assert await rounds(bench, 100) == [0, 1.5, 4, 62, 66.5]


@pytest.mark.parametrize(
    ("failure", "again_at", "status"),
    [
        (NetworkFault("reset"), 1.5, FeedStatus.BACKING_OFF),
        (Throttled("429", 30.0), 31.5, FeedStatus.THROTTLED),
        (Refused("403"), 101.5, FeedStatus.REFUSED),
    ],
)
async def test_each_class_of_failure_has_its_wait(
    autojump_clock: MockClock, failure: FeedError, again_at: float, status: FeedStatus
) -> None:
    bench = PollBench({"/a": [failure, b"1"]})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rounds, bench, 110)
        await trio.sleep(0.75)
        assert (bench.state.status, bench.state.reason) == (status, str(failure))
        assert bench.state.next_attempt_at == START + again_at
    assert bench.rest.requests["/a"][:2] == [0, again_at]


async def test_what_the_exchange_refuses_is_asked_for_rarely(autojump_clock: MockClock) -> None:
    quick = msgspec.structs.replace(
        SETTINGS, backoff=BackoffSettings(first_seconds=1.0, cap_seconds=2.0, refused_seconds=300.0)
    )
    bench = PollBench({"/a": [Refused("451")]}, settings=quick)
    assert await rounds(bench, 1_000) == [0, 301.5, 604, 906.5]


async def test_a_bug_goes_through(autojump_clock: MockClock) -> None:
    bench = PollBench({})
    with pytest.raises(KeyError):
        await run_poll(bench.feed, bench.rest, Pace(60.0, 0.0), clock)
    assert bench.state.status is FeedStatus.STOPPED
