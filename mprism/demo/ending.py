"""The end of a demo: exchanges fall silent step by step, so that nothing is left on its way.

What a simulator counts as read must have had its chance to be stored: the exchanges end before
the collector, and each step waits for the collector to be done with the one before.
"""

from collections.abc import Sequence
from typing import Any

import trio

from mprism.demo.collector import Collector
from mprism.simulator import AnySimulator

_RECOVERY_SECONDS = 20.0
_SETTLE_SECONDS = 30.0
_BOOKS_SECONDS = 10.0
_POLL_SECONDS = 0.2


async def end_exchanges(simulators: Sequence[AnySimulator], collector: Collector) -> dict[str, Any]:
    """End faults, markets and REST, in this order; returns the collector's last status.

    Raises CollectorFailed.
    """
    for simulator in simulators:
        simulator.stop_faults()
    await _recovered(collector)
    await _stop_markets(simulators)
    await _settled(collector)  # a book may need an answer yet
    await _stop_rest(simulators)
    return await _settled(collector)


async def _recovered(collector: Collector) -> None:
    """Wait until every feed and book is back: some only come back with another event."""
    with trio.move_on_after(_RECOVERY_SECONDS):
        while True:
            feeds = (await collector.get("/status"))["feeds"]
            if all(f["state"] == "live" and not f["books_out_of_sequence"] for f in feeds):
                return
            await trio.sleep(_POLL_SECONDS)


async def _stop_markets(simulators: Sequence[AnySimulator]) -> None:
    """No more events; returns when every client has read what was written to it."""
    async with trio.open_nursery() as nursery:
        for simulator in simulators:
            nursery.start_soon(simulator.stop_market)


async def _stop_rest(simulators: Sequence[AnySimulator]) -> None:
    """No more answers: what the collector asked for while it is stopped could not be stored."""
    async with trio.open_nursery() as nursery:
        for simulator in simulators:
            nursery.start_soon(simulator.stop_rest)


async def _settled(collector: Collector) -> dict[str, Any]:
    """The collector's status when everything that it has received is acknowledged."""
    began = trio.current_time()
    with trio.move_on_after(_SETTLE_SECONDS):
        before = None
        while True:
            status = await collector.get("/status")
            publisher = status["publisher"]
            waiting = publisher["backlog_messages"] + publisher["messages_in_flight"]
            seen = [feed["frames"] for feed in status["feeds"]], publisher["acknowledged"]
            # A book that waits for its snapshot comes back without another event.
            books_out = any(feed["books_out_of_sequence"] for feed in status["feeds"])
            patient = trio.current_time() < began + _BOOKS_SECONDS
            if not waiting and seen == before and not (books_out and patient):
                return status
            before = seen
            await trio.sleep(_POLL_SECONDS)
    raise collector.failure(f"has not stored everything after {_SETTLE_SECONDS:g} s")
