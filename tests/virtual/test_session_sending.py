"""What one connection sends, and what it demands in answer, at exact virtual times."""

from collections.abc import Sequence

import msgspec
import trio
from trio.testing import MockClock

from mprism.feeds.protocol import Action, Resubscribe, Send
from mprism.feeds.venue import KeepAlive

from .bench import Bench
from .scripted import SETTINGS, Timed, trade

PATIENT = msgspec.structs.replace(SETTINGS, idle_timeout_seconds=1_000.0)
KEEP_ALIVE = KeepAlive("ping", 10.0)
PONG = {"beat": [Send("pong", urgent=True)]}


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


async def test_each_request_has_the_whole_time_to_be_acknowledged(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(
        [(4, ["more"])],
        script={"more": [Send("b")]},
        opening=[Send("a")],
        unacknowledged=["x"],
        ends=False,
    )
    await bench.ends_with("1 streams not acknowledged after 5 s, among them x")
    assert bench.connection.sent == [(0, "a"), (4, "b")]
    assert trio.current_time() == 9.25


async def test_urgent_frames_do_not_postpone_the_acknowledgement(
    autojump_clock: MockClock,
) -> None:
    beats: Timed = [(second, ["beat"]) for second in range(1, 10)]
    bench = Bench(beats, script=PONG, opening=[Send("a")], unacknowledged=["x"])
    await bench.ends_with("not acknowledged after 5 s")
    assert trio.current_time() == 5.25
    assert bench.connection.sent == [(0, "a"), *((second, "pong") for second in range(1, 6))]


async def test_what_is_acknowledged_in_time_goes_on(autojump_clock: MockClock) -> None:
    bench = Bench([(19, [])], opening=[Send("a")])
    await bench.ends_with("1006")
    assert trio.current_time() == 19


async def test_urgent_frames_overtake_those_that_wait(autojump_clock: MockClock) -> None:
    requests = [Send("a"), Send("b"), Send("c")]
    bench = Bench([(0.1, ["beat"]), (3, [])], script=PONG, opening=requests)
    await bench.ends_with("1006")
    assert bench.connection.sent == [(0, "a"), (0.25, "pong"), (0.5, "b"), (0.75, "c")]


async def test_more_frames_than_can_wait_end_the_connection(autojump_clock: MockClock) -> None:
    await Bench([(1, [])], opening=[Send("a")] * 256).ends_with("1006")
    bench = Bench([(1, [])], opening=[Send("a")] * 257)
    await bench.ends_with("more than 256 frames wait to be sent")
    assert bench.connection.sent == []


async def test_events_beside_a_frame_too_many_are_published(autojump_clock: MockClock) -> None:
    actions: list[Action] = [trade(1), *[Send("a")] * 257, trade(2)]
    bench = Bench([(1, ["data"])], script={"data": actions})
    await bench.ends_with("more than 256 frames wait to be sent")
    assert bench.sink.events == [trade(1), trade(2)]


async def test_a_silent_connection_is_pinged_and_must_answer(autojump_clock: MockClock) -> None:
    bench = Bench(
        [(1, ["data"]), (4, ["data"])], keep_alive=KEEP_ALIVE, settings=PATIENT, ends=False
    )
    await bench.ends_with("no answer to 'ping' after 10 s")
    assert bench.connection.sent == [(14, "ping")]
    assert trio.current_time() == 24


async def test_a_connection_that_never_spoke_is_pinged_too(autojump_clock: MockClock) -> None:
    bench = Bench(keep_alive=KEEP_ALIVE, settings=PATIENT, ends=False)
    await bench.ends_with("no answer to 'ping'")
    assert bench.connection.sent == [(10, "ping")]
    assert trio.current_time() == 20


async def test_an_answer_keeps_it_open_until_the_next_silence(autojump_clock: MockClock) -> None:
    bench = Bench(
        [(1, ["data"]), (20.5, ["pong"]), (31, ["pong"])],
        keep_alive=KEEP_ALIVE,
        settings=PATIENT,
        ends=False,
    )
    await bench.ends_with("no answer to 'ping'")
    # The second ping is answered after half a second, and the third never.
    assert bench.connection.sent == [(11, "ping"), (30.5, "ping"), (41, "ping")]
    assert trio.current_time() == 51


async def test_a_connection_that_speaks_is_not_pinged(autojump_clock: MockClock) -> None:
    frames: Timed = [(9.0 * n, ["data"]) for n in range(1, 20)]
    bench = Bench(frames, keep_alive=KEEP_ALIVE)
    await bench.ends_with("1006")
    assert bench.connection.sent == []


async def test_answers_to_pings_are_no_data(autojump_clock: MockClock) -> None:
    """A connection whose subscriptions died answers pings for ever."""
    pongs: Timed = [(10.5 * n, ["pong"]) for n in range(1, 10)]
    bench = Bench(pongs, keep_alive=KEEP_ALIVE, ends=False)
    await bench.ends_with("no data for 20 s")
    assert trio.current_time() == 20


async def test_a_ping_overtakes_requests(autojump_clock: MockClock) -> None:
    quick = KeepAlive("ping", 1.1)
    requests = [Send(str(n)) for n in range(7)]
    bench = Bench(opening=requests, keep_alive=quick, settings=PATIENT, ends=False)
    await bench.ends_with("no answer to 'ping'")
    assert [frame for _, frame in bench.connection.sent] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "ping",
        "5",
        "6",
    ]


async def test_a_stream_is_asked_for_again_after_its_wait(autojump_clock: MockClock) -> None:
    bench = Bench(
        [(1, ["lost"]), (12, [])],
        script={
            "lost": [Resubscribe("books", 0), Resubscribe("trades", 1), Resubscribe("index", 4)],
            "resubscribe trades": [Send("unsubscribe"), Send("subscribe"), trade(1)],
        },
    )
    await bench.ends_with("1006")
    # At once, and after the waits of attempts 0 and 3.
    assert bench.protocols[0].resubscriptions == [(1, "books"), (2, "trades"), (9, "index")]
    assert bench.connection.sent == [(2, "unsubscribe"), (2.25, "subscribe")]
    assert bench.sink.events == [trade(1)]


async def test_a_stream_is_not_asked_for_on_a_connection_that_ended(
    autojump_clock: MockClock,
) -> None:
    bench = Bench([(1, ["lost"]), (2, [])], script={"lost": [Resubscribe("books", 2)]})
    await bench.ends_with("1006")
    await trio.sleep(10)
    assert bench.protocols[0].resubscriptions == []


async def test_a_refused_stream_is_asked_for_after_the_time_of_a_refusal(
    autojump_clock: MockClock,
) -> None:
    script: dict[str, Sequence[Action]] = {
        "refusal": [Resubscribe("books", 0, refused=True)],
        "resubscribe books": [Send("subscribe")],
    }
    early: Timed = [(float(n), ["data"]) for n in range(10, 110, 10)]
    bench = Bench([(1, ["refusal"]), *early], script=script)
    await bench.ends_with("closed with 1006")
    assert bench.connection.sent == []
    bench = Bench([(1, ["refusal"]), *early, (110, ["data"])], script=script)
    await bench.ends_with("closed with 1006")
    assert bench.connection.sent == [(202, "subscribe")]  # 100, 1 + 100, and the first delay of 1
