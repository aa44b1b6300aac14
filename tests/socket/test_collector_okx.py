"""The whole collector against simulated OKX: spot, swaps, futures, and its own faults."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from mprism.schema import decode
from mprism.settings import (
    DEFAULTS,
    BackoffSettings,
    ExchangeName,
    ExchangeSettings,
    PollingSettings,
)
from mprism.simulator import open_okx
from mprism.simulator.faults import (
    Close,
    Fault,
    LoseFrames,
    MalformFrames,
    MissingSnapshot,
    RefuseArguments,
    RepeatFrames,
    ResetSequence,
    ServerShutdown,
)
from mprism.state import FeedState, FeedStatus
from tests.socket.collector_fixture import (
    Collector,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.markets import Market
from tests.socket.nats_fixture import open_nats

SPOT = ("BTC-USDT", "ETH-USDT")
CONTRACTS = ("BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD-261225", "BTC-USD_UM_XPERP-310404")


def settings_of(name: ExchangeName, symbols: tuple[str, ...], **more: Any) -> ExchangeSettings:
    return msgspec.structs.replace(
        DEFAULTS[name],
        symbols=symbols,
        backoff=BackoffSettings(first_seconds=0.05, cap_seconds=0.2, refused_seconds=2.0),
        polling=PollingSettings(ratio_seconds=0.3),
        rest_snapshot_reserve=0.0,
        **more,
    )


SETTINGS: Mapping[ExchangeName, ExchangeSettings] = {
    "okx_spot": settings_of("okx_spot", SPOT),
    "okx_derivatives": settings_of("okx_derivatives", CONTRACTS),
}


class Okx(Market):
    """Simulated OKX, whose instruments are asked for by its own names."""

    def endpoints(self, settings: ExchangeSettings) -> ExchangeSettings:
        simulator = self.simulator
        return msgspec.structs.replace(
            settings, websocket_url=simulator.websocket_url, rest_url=simulator.rest_url
        )


@asynccontextmanager
async def okx(*kinds: Any) -> AsyncIterator[list[Market]]:
    async with AsyncExitStack() as stack:
        markets: list[Market] = []
        for kind in kinds:
            symbols = SPOT if kind == "spot" else CONTRACTS
            simulator = await stack.enter_async_context(
                open_okx(kind, symbols=symbols, rate=0, levels=400, statistics_seconds=2.0)
            )
            markets.append(Okx(simulator, None, None))  # type: ignore[arg-type]
        yield markets


@asynccontextmanager
async def collecting(
    folder: Path, *kinds: str, settings: Mapping[ExchangeName, ExchangeSettings] = SETTINGS
) -> AsyncIterator[Collector]:
    """A live collector of these markets; at the end everything stored must be right."""
    async with (
        open_nats(folder) as nats,
        open_collector(nats.url, okx(*kinds), exchange=settings) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        yield collector
        await collector.trade_until(lambda: collector.live)
        await trade(collector, 1)
        await collector.settled()
        await polled(collector)
        await collector.delivered()
        assert_right(await stored_in(nats.url), collector.simulators)
        for simulator in collector.simulators:
            assert simulator.counts["protocol_errors"] == 0
            assert simulator.counts["requests_429"] == 0


async def trade(collector: Collector, seconds: int) -> None:
    for _ in range(seconds * 10):
        await collector.trade(orders=2)


async def polled(collector: Collector) -> None:
    """Every poll has begun and ended a round since."""
    for feed in collector.state.feeds.values():
        if "/lsr_" in feed.name:
            frames = feed.frames + 2 * len(CONTRACTS)
            await eventually(lambda feed=feed, frames=frames: feed.frames >= frames)  # type: ignore[misc]


def books_of(collector: Collector) -> FeedState:
    return collector.feed("/public-1")


async def test_everything_that_okx_has_is_stored_and_right(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, okx("spot", "derivatives"), exchange=SETTINGS) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        await trade(collector, 4)
        await polled(collector)
        await trade(collector, 4)
        await collector.settled()
        await polled(collector)
        await collector.delivered()
        stored = await stored_in(nats.url)
        assert_right(stored, collector.simulators)
        counted: Counter[tuple[str, str]] = Counter()
        for message in stored:
            event = decode(message.payload)
            counted[event.data_type, event.instrument_id] += 1
        expected = {(kind, name) for kind in ("orderbook", "trade") for name in SPOT}
        for kind in DEFAULTS["okx_derivatives"].data_types:
            dated = "BTC-USD-261225" if kind == "funding_rate" else None
            expected |= {(kind, name) for name in CONTRACTS if name != dated}
        assert counted.keys() == expected
        feeds = collector.state.feeds.values()
        assert {feed.connects for feed in feeds} == {1}
        assert sum((feed.rejected for feed in feeds), Counter()) == {}
        assert sum((feed.gaps for feed in feeds), Counter()) == {}


async def test_a_lost_book_frame_costs_one_book_its_stream(tmp_path: Path) -> None:
    async with collecting(tmp_path, "spot") as collector:
        books, simulator = books_of(collector), collector.simulators[0]
        for number in (1, 2):
            await simulator.inject(LoseFrames(1, "books:BTC-USDT"))
            await collector.trade_until(lambda n=number: books.resyncs == n)  # type: ignore[misc]
            assert "ETH-USDT" in books.books_live
            await collector.trade_until(lambda: collector.live)
        assert books.connects == 1


async def test_a_missing_snapshot_is_made_good_by_rest(tmp_path: Path) -> None:
    async with collecting(tmp_path, "spot") as collector:
        books, simulator = books_of(collector), collector.simulators[0]
        requests = simulator.counts["requests"]
        await simulator.inject(MissingSnapshot())
        await simulator.inject(LoseFrames(1, "books:BTC-USDT"))
        await collector.trade_until(lambda: books.resyncs == 1)
        await collector.trade_until(lambda: collector.live)
        assert simulator.counts["requests"] > requests
        assert books.connects == 1


async def test_ids_that_begin_anew_are_followed(tmp_path: Path) -> None:
    async with collecting(tmp_path, "spot", "derivatives") as collector:
        for simulator in collector.simulators:
            await simulator.inject(ResetSequence())
        await trade(collector, 1)
        assert {feed.resyncs for feed in collector.state.feeds.values()} == {0}


ENDS: list[tuple[Fault, str]] = [
    (Close(4004), "closed with 4004"),
    (ServerShutdown(), "the exchange announced 64008: "),
]


async def test_faults_of_a_connection_are_survived(tmp_path: Path) -> None:
    async with collecting(tmp_path, "spot") as collector:
        feeds, simulator = collector.state.feeds.values(), collector.simulators[0]
        await simulator.inject(RepeatFrames(3))
        await simulator.inject(MalformFrames(1, "truncated", "books:BTC-USDT"))
        await collector.trade_until(lambda: books_of(collector).resyncs == 1)
        for number, (fault, reason) in enumerate(ENDS, 2):
            await simulator.inject(fault)
            await collector.trade_until(
                lambda n=number: {feed.connects for feed in feeds} == {n} and collector.live  # type: ignore[misc]
            )
            assert all((feed.last_error or "").startswith(reason) for feed in feeds)


async def test_a_refused_stream_costs_only_itself(tmp_path: Path) -> None:
    async with collecting(tmp_path, "derivatives") as collector:
        public, simulator = collector.feed("/public-1"), collector.simulators[0]
        await simulator.inject(LoseFrames(1, "books:BTC-USD-SWAP"))
        await simulator.inject(RefuseArguments(1, "books:BTC-USD-SWAP"))
        stream = public.streams["books:BTC-USD-SWAP"]
        await collector.trade_until(lambda: stream.refused is not None)
        await trade(collector, 1)
        assert public.status is FeedStatus.LIVE
        assert public.books_out["BTC-USD"].startswith("refused: code 60018")
        assert public.rejected == {"subscription refused": 1}
        # It is asked for again after its time, and nothing else is.
        await collector.trade_until(lambda: collector.live)
        assert stream.refused is None
        assert public.connects == 1
