"""Frames leave in their order, urgent ones before all others, and never too many wait."""

import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import NetworkFault
from mprism.feeds.outgoing import Outgoing
from mprism.feeds.protocol import Send

MOST = 256


async def taken(outgoing: Outgoing, count: int) -> list[str]:
    return [(await outgoing.next()).frame for _ in range(count)]


async def test_frames_leave_in_their_order_and_urgent_ones_first() -> None:
    outgoing = Outgoing()
    for frame in (Send("a"), Send("b"), Send("ping", urgent=True), Send("c")):
        outgoing.put(frame)
    assert await taken(outgoing, 4) == ["ping", "a", "b", "c"]


async def test_whoever_waits_gets_the_next_frame(autojump_clock: MockClock) -> None:
    outgoing = Outgoing()
    got: list[tuple[float, str]] = []

    async def take() -> None:
        for _ in range(3):
            frame = await outgoing.next()
            got.append((trio.current_time(), frame.frame))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.sleep(1)
        outgoing.put(Send("a"))
        await trio.sleep(1)
        outgoing.put(Send("b"))
        outgoing.put(Send("c"))
    assert got == [(1, "a"), (2, "b"), (2, "c")]


async def test_too_many_waiting_frames_end_the_connection() -> None:
    outgoing = Outgoing()
    for n in range(MOST):
        outgoing.put(Send(str(n)))
    for frame in (Send("late"), Send("ping", urgent=True)):
        with pytest.raises(NetworkFault, match="more than 256 frames wait to be sent"):
            outgoing.put(frame)
    assert await taken(outgoing, MOST) == [str(n) for n in range(MOST)]
    outgoing.put(Send("again"))
    assert await taken(outgoing, 1) == ["again"]
