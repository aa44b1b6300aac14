"""Waking one task."""

import trio
from trio.testing import wait_all_tasks_blocked

from mprism.nursery.wakeup import Wakeup


async def test_what_happened_before_the_wait_is_not_missed_and_counts_once() -> None:
    wakeup = Wakeup()
    wakeup.set()
    wakeup.set()
    await wakeup.wait()
    with trio.move_on_after(0) as scope:
        await wakeup.wait()
    assert scope.cancelled_caught


async def test_a_waiting_task_is_woken_each_time() -> None:
    wakeup = Wakeup()
    woken = 0

    async def work() -> None:
        nonlocal woken
        while True:
            await wakeup.wait()
            woken += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        for times in (1, 2, 3):
            await wait_all_tasks_blocked()
            wakeup.set()
            await wait_all_tasks_blocked()
            assert woken == times
        nursery.cancel_scope.cancel()
