"""One connection's life at exact virtual times: events, their order, snapshots, its end."""

from collections.abc import Iterable

import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.protocol import (
    Action,
    BookState,
    Fetch,
    Gap,
    Reject,
    Replace,
    Request,
)
from mprism.schema import Event

from .bench import Bench
from .scripted import Recorded, ScriptedConnection, ScriptedProtocol, make_feed, trade


async def test_events_leave_in_order_and_the_rest_is_noted(autojump_clock: MockClock) -> None:
    bench = Bench(
        [(1, ["data 1", "noise", "data 2"]), (2, ["data 3"])],
        script={
            "data 1": [BookState("BTC-USDT", True, "in sequence"), trade(1)],
            "noise": [Reject("unknown event", "x")],
            "data 2": [Gap("trade", "BTC-USDT", 2, 4), trade(5)],
            "data 3": [BookState("BTC-USDT", False, "lost"), trade(6)],
        },
    )
    await bench.ends_with("1006")
    state = bench.feed.state
    assert bench.sink.events == [trade(1), trade(5), trade(6)]
    assert state.gaps == {"trade": 3}
    assert state.rejected == {"unknown event": 1}
    assert (state.resyncs, state.books_out, state.books_live) == (1, {"BTC-USDT": "lost"}, set())
    assert state.frames == 4


async def test_replace_ends_the_connection_after_its_events(autojump_clock: MockClock) -> None:
    bench = Bench(
        [(1, ["data", "bye"])], script={"data": [trade(1)], "bye": [Replace("24 h")]}, ends=False
    )
    await bench.ends_with("24 h")
    assert bench.sink.events == [trade(1)]


async def test_a_snapshot_is_asked_for_until_it_comes(autojump_clock: MockClock) -> None:
    wanted = Fetch("BTCUSDT", Request("/depth", {}, 5), attempt=0)
    bench = Bench(
        [(18, [])],
        opening=[wanted],
        answers=[NetworkFault("500"), Throttled("429", 9.0), b"body"],
    )
    await bench.ends_with("1006")
    assert bench.rest.reserves == [0, 0, 0]  # the reserve is there for snapshots
    # Retries after 1 and 2 s; the pause after 429 is the REST client's own.
    assert [at for at, _ in bench.rest.requests] == [0, 1, 3]
    assert bench.protocols[0].answers == [("BTCUSDT", b"body")]
    assert bench.feed.state.rejected == {
        "snapshot failed: NetworkFault": 1,
        "snapshot failed: Throttled": 1,
    }


async def test_a_refused_snapshot_is_asked_for_rarely(autojump_clock: MockClock) -> None:
    wanted = Fetch("BTCUSDT", Request("/depth", {}, 5), attempt=0)
    answers: list[bytes | FeedError] = [Refused("403"), Refused("403"), b"body"]
    bench = Bench(opening=[wanted], answers=answers)
    bench.connection = ScriptedConnection([(19.0 * n, ["data"]) for n in range(1, 20)])
    await bench.ends_with("1006")
    assert [at for at, _ in bench.rest.requests] == [0, 101, 203]  # 100 s, then 1 and 2 more


async def test_what_came_before_a_refusal_is_published(autojump_clock: MockClock) -> None:
    class Refusing(ScriptedProtocol):
        def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
            if frame == "refusal":
                raise Refused("no such stream")
            return super().receive(frame, recv_ns)

    bench = Bench([(1, ["data", "refusal"])])
    bench.feed = make_feed(
        bench.sink, lambda continuity: Refusing(continuity, {"data": [trade(1)]})
    )
    with pytest.RaisesGroup(Refused, flatten_subgroups=True):
        await bench.run()
    assert bench.sink.events == [trade(1)]


async def test_a_later_attempt_at_a_snapshot_waits_first(autojump_clock: MockClock) -> None:
    wanted = Fetch("BTCUSDT", Request("/depth", {}, 5), attempt=3)
    bench = Bench([(9, [])], opening=[wanted], answers=[b"body"])
    await bench.ends_with("1006")
    assert [at for at, _ in bench.rest.requests] == [4]


async def test_oversized_frames_are_counted(autojump_clock: MockClock) -> None:
    bench = Bench([(1, []), (2, [])])
    bench.connection.oversized = 2
    await bench.ends_with("1006")
    assert bench.feed.state.rejected == {"oversized frame": 2}


async def test_events_in_hand_survive_the_end_of_their_connection(
    autojump_clock: MockClock,
) -> None:
    """The feed remembers them as seen, so nothing else would ever tell that they were lost."""

    class Slow(Recorded):
        async def send(self, value: list[Event]) -> None:
            await trio.sleep(3)
            self.events += value

    bench = Bench([(1, ["data"])], script={"data": [trade(1)]}, ends=False)
    bench.sink = bench.feed.events = Slow()
    with trio.move_on_after(2):
        await bench.run()
    assert bench.sink.events == [trade(1)]
    assert trio.current_time() == 4


async def test_events_that_nobody_takes_are_counted(autojump_clock: MockClock) -> None:
    class Gone(Recorded):
        async def send(self, value: list[Event]) -> None:
            raise trio.BrokenResourceError

    bench = Bench([(1, ["data"])], script={"data": [trade(1), trade(2)]})
    bench.feed.events = Gone()
    await bench.ends_with("1006")
    assert bench.feed.state.gaps == {"trade": 2}


async def test_a_reason_is_logged_once_a_minute(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = Bench().feed
    second = 1_000_000_000
    for at in (0, 1, 2, 61):
        feed.note(Reject("unknown event", f"at {at}"), at * second)
    lines = [line for line in capsys.readouterr().out.splitlines() if "frame rejected" in line]
    assert len(lines) == 2
    assert "at 0" in lines[0]
    assert "at 61" in lines[1]
    assert "more_since_last_line=2" in lines[1]
