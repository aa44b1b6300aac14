"""One round of a poll: what is asked for, what comes of it, and what its failures cost."""

import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.poller import Poller
from mprism.schema import Event
from mprism.state import FeedStatus

from .scripted import SETTINGS, Recorded
from .scripted_poll import START, PollBench, clock


def poller_of(bench: PollBench) -> Poller:
    return Poller(bench.feed, bench.rest, lambda: round(clock() * 1e9))


async def test_what_is_asked_for_goes_out_one_after_the_other(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1"], "/b": [b"2"], "/c": [b"3"]}, keys="abc")
    await trio.sleep(7)
    await poller_of(bench).run_round()
    assert bench.protocols[0].begun == [START + 7]
    assert bench.rest.requests == {"/a": [7], "/b": [7.5], "/c": [8]}
    # The polls leave the snapshots' part of the limits alone.
    assert bench.rest.reserves == {SETTINGS.rest_snapshot_reserve}
    assert bench.published == [1, 2, 3]


async def test_only_what_is_new_is_published(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1 2 3", b"2 3 4", b"2 3 4", b"3 4 5"]})
    poller = poller_of(bench)
    published = []
    for _ in range(4):
        await poller.run_round()
        published.append(bench.published)
        bench.sink.events.clear()
    assert published == [[1, 2, 3], [4], [], [5]]
    # What was missed in between heals by itself, because several values are asked for.
    bench.rest = PollBench({"/a": [b"5 6 7 8"]}).rest
    await Poller(bench.feed, bench.rest).run_round()
    assert bench.published == [6, 7, 8]


async def test_the_state_tells_of_each_answer(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"oops", b"oops 1", b"1"]})
    state, poller = bench.state, poller_of(bench)
    state.enter(FeedStatus.CONNECTING)
    await poller.run_round()
    # An answer that holds nothing valid makes no feed live.
    assert (state.status, state.last_data_at, state.connects) == (FeedStatus.CONNECTING, None, 0)
    assert (state.frames, state.received_bytes, state.last_frame_at) == (1, 4, START + 0.5)
    state.attempts = 3
    await poller.run_round()
    assert (state.status, state.last_data_at, state.attempts) == (FeedStatus.LIVE, START + 1, 0)
    assert (state.connects, state.since) == (1, START + 1)
    await poller.run_round()
    assert (state.frames, state.received_bytes, state.last_data_at) == (3, 11, START + 1.5)
    assert state.connects == 1
    assert state.rejected == {"oops": 2}


async def test_a_value_that_is_not_new_is_data_all_the_same(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1"]})
    poller = poller_of(bench)
    await poller.run_round()
    await poller.run_round()
    assert bench.published == [1]
    assert bench.state.last_data_at == START + 1


async def test_pages_come_before_what_is_asked_for_next(autojump_clock: MockClock) -> None:
    answers = {
        "/a": [b"1 +a/2 +a/4"],
        "/a/2": [b"2 +a/3"],
        "/a/3": [b"3"],
        "/a/4": [b"4"],
        "/b": [b"9"],
    }
    bench = PollBench(answers, keys="ab")
    await poller_of(bench).run_round()
    assert bench.rest.order == ["/a", "/a/2", "/a/3", "/a/4", "/b"]
    assert bench.published == [1, 2, 3, 4, 9]


async def test_pages_without_an_end_are_given_up(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1 +a"], "/b": [b"2 +b"], "/c": [b"3"]}, keys="abc")
    poller = poller_of(bench)
    await poller.run_round()
    # A thousand pages in all; then each further one costs its own key only.
    assert {path: len(times) for path, times in bench.rest.requests.items()} == {
        "/a": 1_001,
        "/b": 1,
        "/c": 1,
    }
    assert bench.state.rejected == {"too many pages": 2}
    assert bench.published == [1, 2, 3]


async def test_a_fault_of_one_key_costs_that_key_alone(autojump_clock: MockClock) -> None:
    fault = NetworkFault("no whole answer")
    bench = PollBench({"/a": [b"1"], "/b": [fault, b"2"], "/c": [b"3"]}, keys="abc")
    poller = poller_of(bench)
    await poller.run_round()
    assert bench.published == [1, 3]
    assert bench.state.rejected == {"poll failed: NetworkFault": 1}
    await poller.run_round()
    assert bench.published == [1, 3, 2]
    assert bench.state.rejected.total() == 1


async def test_a_fault_of_a_page_costs_that_page_alone(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1 +a/2 +a/3"], "/a/2": [NetworkFault("500")], "/a/3": [b"3"]})
    await poller_of(bench).run_round()
    assert bench.published == [1, 3]


async def test_a_round_without_any_answer_is_a_fault(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [NetworkFault("one")], "/b": [NetworkFault("two")]}, keys="ab")
    with pytest.raises(NetworkFault, match="two"):
        await poller_of(bench).run_round()
    assert bench.rest.order == ["/a", "/b"]
    assert bench.state.rejected == {"poll failed: NetworkFault": 2}


async def test_a_round_that_asks_for_nothing_is_none(autojump_clock: MockClock) -> None:
    bench = PollBench({}, keys=())
    await poller_of(bench).run_round()
    assert bench.state.status is FeedStatus.STARTING


@pytest.mark.parametrize("failure", [Throttled("429", 7.0), Refused("403")])
async def test_what_the_exchange_says_of_us_ends_the_round(
    autojump_clock: MockClock, failure: FeedError
) -> None:
    bench = PollBench({"/a": [b"1"], "/b": [failure], "/c": [b"3"]}, keys="abc")
    with pytest.raises(type(failure)):
        await poller_of(bench).run_round()
    assert bench.rest.order == ["/a", "/b"]
    assert bench.published == [1]


async def test_a_failure_that_the_body_tells_costs_its_key(autojump_clock: MockClock) -> None:
    """The protocol may find out that an answer is none."""
    bench = PollBench({"/a": [b"1"], "/b": [b"2"]}, keys="ab")
    poller = poller_of(bench)
    fetched = bench.protocols[0].fetched

    def failing(key: str, body: bytes, recv_ns: int) -> object:
        if key == "a":
            raise NetworkFault("50001: unavailable")
        return fetched(key, body, recv_ns)

    bench.protocols[0].fetched = failing  # type: ignore[method-assign, assignment]
    await poller.run_round()
    assert bench.published == [2]
    assert bench.state.rejected == {"poll failed: NetworkFault": 1}


async def test_each_answers_events_are_handed_over_before_the_next_request(
    autojump_clock: MockClock,
) -> None:
    class Slow(Recorded):
        def __init__(self) -> None:
            super().__init__()
            self.lists: list[tuple[float, int]] = []

        async def send(self, value: list[Event]) -> None:
            await trio.sleep(3)
            self.lists.append((trio.current_time(), len(value)))
            await super().send(value)

    slow = Slow()
    bench = PollBench({"/a": [b"1 2"], "/b": [b"oops"], "/c": [b"3"]}, keys="abc", sink=slow)
    await poller_of(bench).run_round()
    assert slow.lists == [(3.5, 2), (7.5, 1)]
    assert bench.rest.requests == {"/a": [0], "/b": [3.5], "/c": [4]}
    assert bench.published == [1, 2, 3]


async def test_a_round_without_any_answer_ends_early(autojump_clock: MockClock) -> None:
    gone = {f"/{key}": [NetworkFault("gone")] for key in "abcdef"}
    bench = PollBench(gone, keys="abcdef")
    with pytest.raises(NetworkFault, match="gone"):
        await poller_of(bench).run_round()
    assert bench.rest.order == ["/a", "/b", "/c"]
    # One that was answered shows that the way is there.
    bench = PollBench(gone | {"/b": [b"1"]}, keys="abcdef")
    await poller_of(bench).run_round()
    assert len(bench.rest.order) == 6


async def test_a_pause_that_another_request_was_told_shows(autojump_clock: MockClock) -> None:
    bench = PollBench({"/a": [b"1"]})
    poller, state = poller_of(bench), bench.state
    await poller.run_round()
    assert (state.status, state.next_attempt_at) == (FeedStatus.LIVE, None)
    bench.rest.imposed = 30.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run_round)
        await trio.sleep(0.1)
        assert (state.status, state.next_attempt_at) == (FeedStatus.THROTTLED, START + 30.5)
        assert state.reason == "the exchange told another request to wait"
    assert (state.status, state.next_attempt_at) == (FeedStatus.LIVE, None)
