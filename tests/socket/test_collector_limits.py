"""REST limits of an exchange: kept in steady state, and a ban stops whoever asks, nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

import msgspec
import trio

from mprism.settings import ExchangeSettings, PollingSettings
from mprism.simulator import BinanceSimulator
from mprism.simulator.faults import Ban, LoseFrames
from mprism.state import FeedStatus
from tests.socket.collector_fixture import (
    EXCHANGE,
    Collector,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import open_nats

LIMIT = 200  # weight a minute, of which half is ours, and 60 % of that the polls'
POLLS_MAY = 60
ROOM = 15  # seconds

SETTINGS: ExchangeSettings = msgspec.structs.replace(
    EXCHANGE,
    data_types=("orderbook", "trade", "open_interest"),
    polling=PollingSettings(open_interest_seconds=0.1),
)


@asynccontextmanager
async def polling(
    tmp_path: Path, limit: int
) -> AsyncIterator[tuple[Collector, BinanceSimulator, str]]:
    """A collector that asks every 100 ms, of an exchange with this limit of weight a minute."""
    markets = open_markets("usdm", rules={"weight_limit": limit})
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, markets, exchange=SETTINGS) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        yield collector, collector.simulators[0], nats.url


async def a_minute_with_room() -> None:
    """Limits begin anew with each minute of the clock; that must not happen in the test."""
    if (second := time() % 60) > 60 - ROOM:
        await trio.sleep(60 - second)


async def test_a_low_limit_is_never_broken_and_books_come_before_polls(tmp_path: Path) -> None:
    await a_minute_with_room()
    async with polling(tmp_path, LIMIT) as (collector, exchange, _):
        used, poll = exchange.rest.limits, collector.feed("open_interest")
        await collector.trade_until(lambda: used.used_weight > POLLS_MAY - 2)
        polled, at = poll.frames, trio.current_time()
        while trio.current_time() < at + 1:  # ten rounds, if they might
            await collector.trade()
        assert used.used_weight <= POLLS_MAY
        assert poll.frames - polled <= 2
        books = collector.feed("public")
        for resyncs in (1, 2):
            await exchange.inject(LoseFrames(1, "btcusdt@depth"))
            await collector.trade_until(lambda n=resyncs: books.resyncs >= n)  # type: ignore[misc]
            await collector.trade_until(lambda: collector.live)
        assert POLLS_MAY < used.used_weight <= LIMIT / 2
        assert exchange.counts["requests_200"] == exchange.counts["requests"]


async def test_a_ban_stops_all_requests_until_it_ends_and_no_stream(tmp_path: Path) -> None:
    async with polling(tmp_path, 100 * LIMIT) as (collector, exchange, url):
        poll = collector.feed("open_interest")
        await exchange.inject(Ban(3))
        banned_at = trio.current_time()
        await eventually(lambda: poll.status is FeedStatus.THROTTLED)
        assert exchange.counts["requests_418"] == 1
        asked = exchange.counts["requests"]
        trades = collector.feed("market").frames
        # The book asks for a snapshot, which has to wait as well.
        await exchange.inject(LoseFrames(1, "btcusdt@depth"))
        books = collector.feed("public")
        await collector.trade_until(lambda: books.resyncs == 1)
        while trio.current_time() < banned_at + 2.5:
            await collector.trade()
        assert exchange.counts["requests"] == asked
        assert collector.feed("market").frames > trades + 10
        assert "ETH-USDT" in books.books_live
        await collector.trade_until(lambda: collector.live)
        assert exchange.counts["requests_418"] == 1
        assert poll.connects == 1
        before = exchange.counts["requests"]
        await collector.trade_until(lambda: exchange.counts["requests"] > before)
        await collector.settled()
        assert [m for m in await stored_in(url) if m.subject.startswith("open-interest-data.")]
