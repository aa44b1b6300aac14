"""When a start counts as over, on virtual time."""

import pytest
import trio
from trio.testing import MockClock

from mprism.nursery.root import _note_running
from mprism.settings import HttpSettings, Settings
from mprism.state import CollectorState, Phase

GRACE = 60.0
SETTINGS = Settings(http=HttpSettings(start_grace_seconds=GRACE))


def starting() -> CollectorState:
    return CollectorState(version="0", configuration={}, clock=trio.current_time)


def phase_of(state: CollectorState) -> Phase:
    return state.phase


async def test_the_start_is_over_when_the_last_exchange_is_planned(
    autojump_clock: MockClock,
) -> None:
    state = starting()
    planned = [trio.Event(), trio.Event()]
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_note_running, SETTINGS, state, planned)
        planned[1].set()
        await trio.sleep(7)
        assert phase_of(state) is Phase.STARTING
        planned[0].set()
    assert phase_of(state) is Phase.RUNNING
    assert state.phase_since - began == 7


async def test_the_start_is_over_after_its_grace_whatever_is_missing(
    autojump_clock: MockClock,
) -> None:
    state = starting()
    began = trio.current_time()
    await _note_running(SETTINGS, state, [trio.Event()])
    assert phase_of(state) is Phase.RUNNING
    assert state.phase_since - began == GRACE


@pytest.mark.parametrize("is_planned", [True, False])
async def test_a_stop_during_the_start_is_not_undone(
    autojump_clock: MockClock, is_planned: bool
) -> None:
    state = starting()
    planned = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_note_running, SETTINGS, state, [planned])
        await trio.sleep(1)
        state.enter(Phase.STOPPING)
        if is_planned:
            planned.set()
    assert phase_of(state) is Phase.STOPPING
