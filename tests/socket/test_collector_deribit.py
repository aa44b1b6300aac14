"""The whole collector against a simulated Deribit: all that it has is stored, and is right."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mprism.nursery.stored import StoredMessage
from mprism.schema import VolatilityIndex, decode
from mprism.settings import DEFAULTS, BackoffSettings, ExchangeSettings, PollingSettings
from mprism.simulator.deribit.server import RULES, open_deribit
from mprism.simulator.faults import (
    Close,
    Fault,
    LoseFrames,
    Maintenance,
    MissingSnapshot,
    OmitChannels,
    RepeatFrames,
)
from mprism.state import FeedState
from tests.socket.collector_fixture import (
    Collector,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.markets import Market
from tests.socket.nats_fixture import open_nats

CONTRACTS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "BTC-25DEC26")
SETTINGS = msgspec.structs.replace(
    DEFAULTS["deribit_derivatives"],
    symbols=CONTRACTS,
    backoff=BackoffSettings(first_seconds=0.05, cap_seconds=0.2, refused_seconds=2.0),
    polling=PollingSettings(liquidation_seconds=0.2),
)


class Deribit(Market):
    """A simulated Deribit, whose contracts are asked for by its own names."""

    def endpoints(self, settings: ExchangeSettings) -> ExchangeSettings:
        return msgspec.structs.replace(
            settings,
            websocket_url=self.simulator.websocket_url,
            rest_url=self.simulator.rest_url,
        )


@asynccontextmanager
async def deribit(**options: Any) -> AsyncIterator[list[Market]]:
    """A market that began half a minute ago: REST is asked up to the time of our clock."""
    start_ms = time.time_ns() // 1_000_000 - 30_000
    async with open_deribit(symbols=CONTRACTS, rate=0, start_ms=start_ms, **options) as simulator:
        yield [Deribit(simulator, None, None)]  # type: ignore[arg-type]


class Scene:
    """A running collector of one market."""

    def __init__(self, collector: Collector, nats: str) -> None:
        self.collector = collector
        self._nats = nats

    @property
    def stream(self) -> FeedState:
        """The connection's feed."""
        return self.collector.feed("/public-1")

    @property
    def poll(self) -> FeedState:
        """The feed that asks for liquidations."""
        return self.collector.feed("/liquidation")

    async def inject(self, fault: Fault) -> None:
        await self.collector.simulators[0].inject(fault)

    async def trade(self, steps: int = 20) -> None:
        for _ in range(steps):
            await self.collector.trade(orders=3)

    async def settle(self) -> list[StoredMessage]:
        """The market ends, and REST has been asked for all of it; what is stored is right."""
        simulator = self.collector.simulators[0]
        assert await simulator.stop_market()
        # The first of these rounds may have begun before that.
        rounds = self.poll.frames + 2 * len(CONTRACTS)
        await eventually(lambda: self.poll.frames >= rounds)
        await self.collector.delivered()
        stored = await stored_in(self._nats)
        assert_right(stored, self.collector.simulators)
        for breach in ("policy_breaches", "calls_refused", "protocol_errors"):
            assert simulator.counts[breach] == 0
        return stored


@asynccontextmanager
async def scene(folder: Path, **options: Any) -> AsyncIterator[Scene]:
    """A collector of a market in which it has everything."""
    async with (
        open_nats(folder) as nats,
        open_collector(nats.url, deribit(**options), exchange=SETTINGS) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        yield Scene(collector, nats.url)


def counted(stored: Sequence[StoredMessage]) -> Counter[str]:
    """How many messages of each data type are stored; candles count by that name."""
    return Counter(
        "candle" if isinstance(event, VolatilityIndex) and event.resolution else event.data_type
        for event in (decode(message.payload) for message in stored)
    )


@pytest.mark.parametrize("options", [{}, {"fractions": True, "streamed_flags": "all"}])
async def test_everything_is_stored_and_right(tmp_path: Path, options: dict[str, Any]) -> None:
    async with scene(tmp_path, **options) as it:
        await it.trade(40)
        count = counted(await it.settle())
        assert count.keys() == {*SETTINGS.data_types, "candle"}
        assert count["candle"] == 2 * 60
        for feed in (it.stream, it.poll):
            assert (feed.connects, feed.resyncs, feed.duplicates) == (1, 0, 0)
            assert (feed.gaps, feed.rejected) == ({}, {})
        assert all(state.acknowledged for state in it.stream.streams.values())


async def test_liquidations_that_only_rest_flags_are_stored(tmp_path: Path) -> None:
    async with scene(tmp_path, streamed_flags="none") as it:
        await it.trade(40)
        assert counted(await it.settle())["liquidation"] > 0


@pytest.mark.parametrize("fault", [LoseFrames(1, "book."), MissingSnapshot(2)])
async def test_a_book_is_asked_for_anew_alone(tmp_path: Path, fault: Fault) -> None:
    async with scene(tmp_path) as it:
        await it.inject(fault)
        # A missing snapshot is only noticed by who asks for one.
        await it.inject(LoseFrames(1, "book."))
        await it.collector.trade_until(lambda: it.stream.resyncs > 0, orders=2)
        await it.collector.trade_until(lambda: it.collector.live, orders=2)
        await it.trade()
        await it.settle()
        assert it.stream.connects == 1
        assert (it.stream.gaps, it.stream.rejected) == ({}, {})


async def test_a_channel_that_is_left_out_costs_that_channel_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.inject(LoseFrames(1, "book.BTC-PERPETUAL"))
        await it.inject(OmitChannels(1, "book.BTC-PERPETUAL"))
        book = "book.BTC-PERPETUAL.100ms"
        streams = it.stream.streams
        await it.collector.trade_until(lambda: streams[book].refused is not None)
        before = {name: state.messages for name, state in streams.items()}
        await it.trade()
        await it.collector.delivered()
        silent = {name for name, state in streams.items() if state.messages == before[name]}
        assert silent == {book}
        assert set(it.stream.books_out) == {"BTC-USD"}
        assert it.stream.rejected == {"subscription refused": 1}
        # It is asked for again after its time, and nothing else is.
        await it.collector.trade_until(lambda: it.collector.live)
        assert streams[book].refused is None
        assert it.stream.connects == 1


@pytest.mark.parametrize("fault", [Maintenance(0.5), Close(1001), Close(1006)])
async def test_a_new_connection_takes_over(tmp_path: Path, fault: Fault) -> None:
    async with scene(tmp_path) as it:
        await it.trade()
        await it.inject(fault)
        await it.collector.trade_until(lambda: it.stream.connects == 2)
        await it.collector.trade_until(lambda: it.collector.live)
        await it.trade()
        await it.settle()
        assert it.stream.rejected == {}


async def test_repeated_frames_change_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.inject(RepeatFrames(10))
        counts = it.collector.simulators[0].counts
        await it.collector.trade_until(lambda: counts["frames_repeated"] >= 10, orders=2)
        await it.trade()
        await it.settle()
        assert (it.stream.connects, it.stream.resyncs) == (1, 0)
        assert (it.stream.gaps, it.stream.rejected) == ({}, {})


async def test_heartbeats_are_answered(tmp_path: Path) -> None:
    """They come every 1.5 s here, and without an answer the end comes 0.5 s later."""
    async with scene(tmp_path, rules=replace(RULES, time_scale=0.05)) as it:
        frames = it.stream.frames
        await eventually(lambda: it.stream.frames >= frames + 6)
        assert it.stream.connects == 1
        await it.trade()
        await it.settle()
