"""Each fault of an exchange alone: it is survived, everything else goes on, losses are counted."""

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from mprism.settings import ExchangeName, ExchangeSettings
from mprism.simulator import Fault
from mprism.simulator.faults import (
    Close,
    FragmentFrames,
    LoseFrames,
    RefuseConnections,
    RepeatFrames,
    Reset,
    ServerShutdown,
    Silence,
)
from mprism.state import FeedStatus
from tests.socket.collector_fixture import (
    EXCHANGE,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.fault_scene import MARKETS, Scene, both_markets, scene
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import open_nats


@both_markets
async def test_a_lost_depth_frame_costs_one_book_one_snapshot(tmp_path: Path, market: str) -> None:
    async with scene(tmp_path, market) as it:
        books = it.books
        for n in range(1, 4):
            await it.hit.inject(LoseFrames(1, "btcusdt@depth"))
            while books.resyncs < n:
                await it.collector.trade()
                await it.collector.delivered()
                assert "ETH-USDT" in books.books_live
            await it.collector.trade_until(lambda: it.collector.live)
            assert it.requests == 1
        assert books.connects == 1
        assert it.gaps() == 0


@both_markets
async def test_lost_trades_are_a_gap_and_nothing_else(tmp_path: Path, market: str) -> None:
    async with scene(tmp_path, market) as it:
        await it.hit.inject(LoseFrames(3, it.hit.truth.channel))
        await it.collector.trade_until(lambda: it.hit.counts["frames_lost"] >= 3, orders=2)
        await it.collector.trade(orders=3)
        await it.collector.delivered()
        assert it.gaps() == it.hit.counts["frames_lost"] == 3
        assert it.requests == 0
        assert [(f.connects, f.resyncs) for f in it.feeds(it.hit)] == [(1, 0)] * len(
            it.feeds(it.hit)
        )


@both_markets
async def test_repeated_and_fragmented_frames_change_nothing(tmp_path: Path, market: str) -> None:
    async with scene(tmp_path, market) as it:
        connections = await it.hit.inject(RepeatFrames(5))
        await it.hit.inject(FragmentFrames(5))
        counts = it.hit.counts
        await it.collector.trade_until(
            lambda: counts["frames_repeated"] + counts["frames_fragmented"] >= 10 * connections
        )
        await it.collector.delivered()
        assert sum(feed.duplicates for feed in it.feeds(it.hit)) == 5 * connections
        assert it.requests == it.gaps() == 0
        assert {(f.connects, f.resyncs, f.rejected.total()) for f in it.feeds(it.hit)} == {
            (1, 0, 0)
        }


ENDS: list[tuple[Fault, str]] = [
    (Close(1000), "closed with 1000"),
    (Close(1001), "closed with 1001"),
    (Close(1006), "closed with 1006"),
    (Close(1008), "closed with 1008"),
    (Close(1011), "closed with 1011"),
    (Close(1012), "closed with 1012"),
    (Close(4321), "closed with 4321"),
    (Reset(), "closed with 1006"),
    (ServerShutdown(), "the server announced its shutdown"),
]


@both_markets
async def test_however_a_connection_ends_it_comes_back(tmp_path: Path, market: str) -> None:
    async with scene(tmp_path, market) as it:
        feeds = it.feeds(it.hit)
        for n, (fault, reason) in enumerate(ENDS, 2):
            await it.hit.inject(fault)
            await it.collector.trade_until(
                lambda n=n: {f.connects for f in feeds} == {n} and it.collector.live  # type: ignore[misc]
            )
            assert all((feed.last_error or "").startswith(reason) for feed in feeds)
            assert [feed.attempts for feed in feeds] == [0] * len(feeds)
            # A snapshot for each of the two books, and no more.
            assert it.requests == 2
        assert it.gaps() > 0
        assert [feed.resyncs for feed in feeds] == [0] * len(feeds)


async def test_a_silent_connection_is_replaced(tmp_path: Path) -> None:
    impatient = msgspec.structs.replace(EXCHANGE, idle_timeout_seconds=1.0)
    settings: dict[ExchangeName, ExchangeSettings] = {
        "binance_spot": impatient,
        "binance_derivatives": EXCHANGE,
    }
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=100), exchange=settings) as collector,
    ):
        await eventually(lambda: collector.live)
        it = Scene(collector, "spot")
        await it.hit.inject(Silence(60))
        await eventually(lambda: it.books.connects >= 2 and collector.live)
        assert it.books.last_error == "no data for 1 s"
        published = collector.state.publisher.acknowledged
        await eventually(lambda: collector.state.publisher.acknowledged > published + 50)
        await collector.settled()
        it.assert_spared()
        it.assert_polite()
        stored = await stored_in(nats.url)
        assert it.gaps() == it.missing_trades(stored) > 0
        assert_right(stored, collector.simulators)


REFUSALS = [
    (403, FeedStatus.REFUSED, 0.5),
    (429, FeedStatus.THROTTLED, 60.0),  # it does not say for how long, so a minute
    (503, FeedStatus.BACKING_OFF, 0.0),
]


@pytest.mark.parametrize(("status", "state", "at_least"), REFUSALS)
async def test_a_refused_handshake(
    tmp_path: Path, status: int, state: FeedStatus, at_least: float
) -> None:
    with capture_logs() as logs:
        async with (
            open_nats(tmp_path) as nats,
            open_collector(nats.url, open_markets()) as collector,
        ):
            await collector.trade_until(lambda: collector.live)
            it = Scene(collector, "spot")
            feed = it.books
            await it.hit.inject(RefuseConnections(count=2, status=status))
            await it.hit.inject(Close())
            await collector.trade_until(lambda: it.hit.counts["handshakes_refused"] >= 1)
            await collector.trade_until(lambda: f"HTTP {status}" in (feed.last_error or ""))
            if status != 429:
                await collector.trade_until(lambda: feed.connects == 2 and collector.live)
                assert it.hit.counts["handshakes_refused"] == 2
            else:
                assert feed.status is state
                assert it.hit.counts["handshakes_refused"] == 1
            await collector.delivered()
            it.assert_spared()
            it.assert_polite()
    waits = [
        line["next_attempt_seconds"]
        for line in logs
        if line["event"] == "feed down" and f"HTTP {status}" in line["reason"]
    ]
    assert waits
    assert all(at_least <= wait <= at_least + 0.2 for wait in waits)


async def test_pings_are_answered_in_time_and_within_the_inbound_limit(tmp_path: Path) -> None:
    rules = {"ping_interval": 0.3, "pong_timeout": 5.0}
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(rate=200, rules=rules)) as collector,
    ):
        await eventually(lambda: collector.live)
        await eventually(lambda: collector.state.publisher.acknowledged > 600)
        await collector.settled()
        for market in MARKETS:
            it = Scene(collector, market)
            it.assert_spared()
            it.assert_polite()
        assert_right(await stored_in(nats.url), collector.simulators)
