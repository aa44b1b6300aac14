"""One connection's life at exact virtual times: pace, limits, snapshots, order."""

from collections.abc import Iterable, Sequence

import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.feed import Feed
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Gap,
    Reject,
    Replace,
    Request,
    Send,
)
from mprism.feeds.session import Session
from mprism.feeds.venue import ConnectionPlan
from mprism.schema import Event

from .scripted import (
    Recorded,
    ScriptedConnection,
    ScriptedProtocol,
    ScriptedRest,
    make_feed,
    trade,
)


class Bench:
    """A session with everything scripted."""

    def __init__(
        self,
        frames: Sequence[tuple[float, list[str | bytes | bytearray]]] = (),
        *,
        script: dict[str, Sequence[Action]] | None = None,
        opening: Sequence[Action] = (),
        answers: Sequence[bytes | FeedError] = (),
        ends: bool = True,
    ) -> None:
        self.sink = Recorded()
        self.connection = ScriptedConnection(frames, ends)
        self.rest = ScriptedRest(*answers)
        self._script = script or {}
        self._opening = opening
        self.protocols: list[ScriptedProtocol] = []
        self.feed: Feed[ConnectionPlan] = make_feed(self.sink, self._protocol)

    def _protocol(self, continuity: Continuity) -> ScriptedProtocol:
        self.protocols.append(ScriptedProtocol(continuity, self._script, self._opening))
        return self.protocols[-1]

    async def run(self) -> None:
        self.connection.open()
        await Session(self.feed, self.connection, self.rest, lambda n: 2.0**n).run()

    async def ends_with(self, text: str) -> None:
        with pytest.RaisesGroup(pytest.RaisesExc(NetworkFault, match=text), flatten_subgroups=True):
            await self.run()


async def test_frames_are_sent_at_the_exchange_pace(autojump_clock: MockClock) -> None:
    bench = Bench([(3, [])], opening=[Send("a"), Send("b"), Send("c")])
    await bench.ends_with("1006")
    assert bench.connection.sent == [(0, "a"), (0.25, "b"), (0.5, "c")]  # 4 a second


async def test_streams_must_be_acknowledged_in_time(autojump_clock: MockClock) -> None:
    bench = Bench(opening=[Send("a")], ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.ends_with, "2 streams not acknowledged after 5 s, among them x")
        await trio.testing.wait_all_tasks_blocked()
        bench.protocols[0].unacknowledged += ["x", "y"]
    assert trio.current_time() == 5.25


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
