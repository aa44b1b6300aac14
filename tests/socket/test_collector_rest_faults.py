"""Faults of REST cost only what asks for an answer, and nobody asks more than is welcome."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from mprism.simulator import Fault
from mprism.simulator.faults import (
    Ban,
    LoseFrames,
    ServerError,
    SlowAnswer,
    StaleSnapshot,
    Throttle,
)
from mprism.state import FeedState
from tests.socket.collector_fixture import (
    EXCHANGE,
    assert_right,
    open_collector,
    stored_in,
)
from tests.socket.fault_scene import Scene, both_markets, scene
from tests.socket.markets import Market, open_markets
from tests.socket.nats_fixture import open_nats


@asynccontextmanager
async def out_of_sequence(it: Scene, *faults: Fault) -> AsyncIterator[FeedState]:
    """The BTC book loses its sequence while REST has these faults, and finds it again."""
    books = it.books
    assert it.requests >= 0
    for fault in faults:
        await it.hit.inject(fault)
    await it.hit.inject(LoseFrames(1, "btcusdt@depth"))
    before = books.resyncs
    await it.collector.trade_until(lambda: books.resyncs > before)
    yield books
    await it.collector.trade_until(lambda: it.collector.live)
    assert "ETH-USDT" in books.books_live
    assert books.connects == 1


@both_markets
async def test_rest_faults_cost_only_the_book_that_asks(tmp_path: Path, market: str) -> None:
    quick = msgspec.structs.replace(EXCHANGE, rest_timeout_seconds=1.0)
    async with scene(tmp_path, market, exchange=quick) as it:
        await it.collector.trade(2_500)  # lest a stale snapshot is the book of now
        async with out_of_sequence(it, StaleSnapshot()):
            pass
        assert it.requests == 2

        async with out_of_sequence(it, ServerError(503, count=2)) as books:
            pass
        assert it.requests == 3
        assert books.rejected["snapshot failed: NetworkFault"] == 2

        async with out_of_sequence(it, SlowAnswer(0.2)):
            pass
        assert it.requests == 1

        async with out_of_sequence(it, SlowAnswer(30)) as books:
            pass  # which is longer than anybody waits
        assert it.requests == 2
        assert books.rejected["snapshot failed: NetworkFault"] == 3

        async with out_of_sequence(it, Throttle(1)) as books:
            pass
        assert it.requests == 2
        assert it.hit.counts["requests_429"] == books.rejected["snapshot failed: Throttled"] == 1

        async with out_of_sequence(it, Ban(1)) as books:
            pass
        assert it.requests == 2
        assert it.hit.counts["requests_418"] == 1
        assert books.rejected["snapshot failed: Throttled"] == 2
        # Whoever goes on asking after a 429 is banned.
        assert it.hit.rest.limits.breaches == 0
        assert set(books.rejected) == {
            "snapshot failed: NetworkFault",
            "snapshot failed: Throttled",
        }


@asynccontextmanager
async def markets_with(fault: Fault) -> AsyncIterator[list[Market]]:
    async with open_markets() as markets:
        await markets[0].simulator.inject(fault)
        yield markets


@pytest.mark.parametrize(
    ("fault", "status", "most"),
    [(Throttle(1), 429, 1), (Ban(1), 418, 1), (ServerError(502, count=3), 502, 3)],
)
async def test_rest_faults_while_the_collector_starts(
    tmp_path: Path, fault: Fault, status: int, most: int
) -> None:
    """The instrument list is asked for again, as politely as anything else."""
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, markets_with(fault)) as collector,
    ):
        spot = collector.simulators[0]
        await collector.trade_until(lambda: collector.live)
        refused = spot.counts[f"requests_{status}"]
        assert refused <= most
        assert spot.counts["requests"] == refused + 1 + len(spot.truth.symbols)
        assert spot.rest.limits.breaches == 0
        for _ in range(3):
            await collector.trade()
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)
