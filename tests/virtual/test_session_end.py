"""What was read from a socket is published, whatever ends the connection it came on."""

from collections.abc import Mapping, Sequence

import trio
from trio.testing import MockClock

from mprism.feeds.errors import Refused
from mprism.feeds.protocol import Action, Continuity, Replace

from .bench import Bench
from .scripted import ScriptedProtocol, trade

SCRIPT: Mapping[str, Sequence[Action]] = {
    "data 1": [trade(1)],
    "notice": [Replace("the exchange announced its end")],
    "data 2": [trade(2)],
    "data 3": [trade(3)],
}


def stored(bench: Bench) -> list[int]:
    return [int(event.key()) for event in bench.sink.events]


async def test_frames_behind_a_notice_are_published(autojump_clock: MockClock) -> None:
    bench = Bench([(1, ["data 1", "notice"])], script=SCRIPT)
    bench.connection.at_hand = ["data 2", "data 3"]
    await bench.ends_with("the exchange announced its end")
    assert stored(bench) == [1, 2, 3]


async def test_frames_at_hand_are_published_when_the_feed_is_stopped(
    autojump_clock: MockClock,
) -> None:
    bench = Bench([(1, ["data 1"])], script=SCRIPT, ends=False)
    bench.connection.at_hand = ["data 2"]
    with trio.move_on_after(2):
        await bench.run()
    assert stored(bench) == [1, 2]


class RefusingProtocol(ScriptedProtocol):
    """Refuses at one of the frames."""

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> list:  # type: ignore[type-arg]
        if frame == "refusal":
            raise Refused("not for you")
        return list(super().receive(frame, recv_ns))


class RefusingBench(Bench):
    def _protocol(self, continuity: Continuity) -> RefusingProtocol:
        return RefusingProtocol(continuity, SCRIPT)


async def test_a_refusal_among_them_hides_neither_the_end_nor_what_came_before(
    autojump_clock: MockClock,
) -> None:
    bench = RefusingBench([(1, ["notice"])])
    bench.connection.at_hand = ["data 2", "refusal", "data 3"]
    await bench.ends_with("the exchange announced its end")
    assert stored(bench) == [2]
