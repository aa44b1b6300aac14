"""Each fault of an exchange alone: it is survived, everything else goes on, losses are counted."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from mprism.nursery.stored import StoredMessage
from mprism.schema import Trade, decode
from mprism.settings import ExchangeName, ExchangeSettings
from mprism.simulator import BinanceSimulator, Fault
from mprism.simulator.faults import (
    Ban,
    Close,
    FragmentFrames,
    LoseFrames,
    RefuseConnections,
    RepeatFrames,
    Reset,
    ServerError,
    ServerShutdown,
    Silence,
    SlowAnswer,
    StaleSnapshot,
    Throttle,
)
from mprism.state import FeedState, FeedStatus
from tests.socket.collector_fixture import (
    EXCHANGE,
    Collector,
    Market,
    assert_right,
    eventually,
    open_collector,
    open_markets,
    stored_in,
)
from tests.socket.nats_fixture import open_nats

MARKETS: dict[str, ExchangeName] = {"spot": "binance_spot", "usdm": "binance_derivatives"}
both_markets = pytest.mark.parametrize("market", list(MARKETS))


class Scene:
    """A collector of two live markets, one of which gets the faults."""

    def __init__(self, collector: Collector, market: str) -> None:
        self.collector = collector
        self.hit, self.spared = sorted(
            collector.simulators, key=lambda simulator: simulator.exchange != MARKETS[market]
        )
        self._spared_requests = self.spared.counts["requests"]
        self._requests = self.hit.counts["requests"]

    def feeds(self, simulator: BinanceSimulator) -> list[FeedState]:
        """The feeds of one market."""
        feeds = self.collector.state.feeds.values()
        return [feed for feed in feeds if feed.exchange == simulator.exchange]

    @property
    def books(self) -> FeedState:
        """The feed that has the books of the market with the faults."""
        return next(feed for feed in self.feeds(self.hit) if feed.books_live or feed.books_out)

    @property
    def requests(self) -> int:
        """How many REST requests there were since the last look."""
        before, self._requests = self._requests, self.hit.counts["requests"]
        return self._requests - before

    def missing_trades(self, stored: Sequence[StoredMessage]) -> int:
        """How many trades between the first and the last one are not stored."""
        ids: dict[str, list[int]] = defaultdict(list)
        for event in (decode(message.payload) for message in stored):
            if isinstance(event, Trade) and event.exchange == self.hit.exchange:
                ids[event.symbol].append(int(event.trade_id))
        return sum(of_one[-1] - of_one[0] + 1 - len(of_one) for of_one in ids.values())

    def gaps(self) -> int:
        """How many trades the collector says are missing."""
        return sum(feed.gaps["trade"] for feed in self.feeds(self.hit))

    def assert_spared(self) -> None:
        """The other market has noticed nothing."""
        for feed in self.feeds(self.spared):
            assert (feed.connects, feed.resyncs, feed.duplicates) == (1, 0, 0)
            assert (feed.gaps, feed.rejected, feed.books_out) == ({}, {}, {})
        assert self.spared.counts["requests"] == self._spared_requests

    def assert_polite(self) -> None:
        """No limit of the exchange was breached."""
        counts = self.hit.counts
        for breach in ("inbound_limit_breaches", "policy_breaches", "pong_timeouts"):
            assert counts[breach] == 0
        assert counts["protocol_errors"] == counts["unsolicited_pongs"] == 0


@asynccontextmanager
async def scene(
    folder: Path, market: str, *, exchange: ExchangeSettings = EXCHANGE
) -> AsyncIterator[Scene]:
    """Two markets that trade by hand. At the end everything stored must be right."""
    async with (
        open_nats(folder) as nats,
        open_collector(nats.url, open_markets(), exchange=exchange) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        found = Scene(collector, market)
        yield found
        await collector.trade_until(lambda: collector.live)
        await collector.trade(orders=3)  # whatever is missing shows at the next trade
        await collector.settled()
        found.assert_spared()
        found.assert_polite()
        stored = await stored_in(nats.url)
        assert found.gaps() == found.missing_trades(stored)
        assert_right(stored, collector.simulators)


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
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)


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
