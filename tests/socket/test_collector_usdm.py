"""The whole collector against simulated USD-M: everything that a contract has, and is right."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from mprism.schema import decode
from mprism.settings import DEFAULTS, BackoffSettings, ExchangeSettings, PollingSettings
from mprism.simulator import open_binance
from mprism.simulator.faults import Close, RepeatFrames
from tests.socket.collector_fixture import (
    Collector,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.markets import Market
from tests.socket.nats_fixture import open_nats

CONTRACTS = ("BTCUSDT", "BTCUSDT_261225", "TSLAUSDT")
SETTINGS = msgspec.structs.replace(
    DEFAULTS["binance_derivatives"],
    symbols=CONTRACTS,
    liquidations="all",
    backoff=BackoffSettings(first_seconds=0.05, cap_seconds=0.2, refused_seconds=0.5),
    polling=PollingSettings(open_interest_seconds=0.3, ratio_seconds=0.3, funding_info_seconds=0.3),
)
REQUESTS = {"/open_interest": 6, "/lsr_top_position": 2, "/lsr_all_account": 2, "/funding_info": 1}
"""How many a round of each poll makes."""


class Usdm(Market):
    """Simulated USD-M, whose contracts are asked for by its own names."""

    def endpoints(self, settings: ExchangeSettings) -> ExchangeSettings:
        return msgspec.structs.replace(
            settings,
            websocket_url=self.simulator.websocket_url,
            rest_url=self.simulator.rest_url,
        )


@asynccontextmanager
async def usdm(**options: Any) -> AsyncIterator[list[Market]]:
    async with open_binance(
        "usdm", symbols=CONTRACTS, rate=0, levels=500, statistics_seconds=2.0, **options
    ) as simulator:
        yield [Usdm(simulator, None, None)]


async def polled(collector: Collector) -> None:
    """Every poll has begun and ended a round since."""
    for name, requests in REQUESTS.items():
        feed = collector.feed(name)
        frames = feed.frames + 2 * requests
        await eventually(lambda feed=feed, frames=frames: feed.frames >= frames)  # type: ignore[misc]


async def trade(collector: Collector, seconds: int) -> None:
    """Let the market trade; polls go on meanwhile, as they can."""
    for _ in range(seconds * 10):
        await collector.trade(orders=3)


async def test_everything_that_a_contract_has_is_stored_and_right(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, usdm(), exchange=SETTINGS) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        for _ in range(2):
            await trade(collector, 3)
            await polled(collector)
        await collector.settled()
        simulator = collector.simulators[0]
        assert await simulator.stop_market()
        await polled(collector)
        await collector.delivered()
        stored = await stored_in(nats.url)
        assert_right(stored, collector.simulators)
        counted: Counter[tuple[str, str]] = Counter()
        for message in stored:
            event = decode(message.payload)
            counted[event.data_type, event.instrument_id] += 1
        of_perpetuals = {"funding_rate", "lsr_top_position", "lsr_all_account"}
        assert counted.keys() == {
            (data_type, contract)
            for data_type in SETTINGS.data_types
            for contract in CONTRACTS
            if contract != "BTCUSDT_261225" or data_type not in of_perpetuals
        }
        feeds = collector.state.feeds.values()
        assert [feed.connects for feed in feeds] == [1] * 6
        assert sum((feed.rejected for feed in feeds), Counter()) == {}
        assert simulator.counts["protocol_errors"] == 0


async def test_a_new_connection_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, usdm(), exchange=SETTINGS) as collector,
    ):
        await collector.trade_until(lambda: collector.live)
        market = collector.feed("/market-1")
        await trade(collector, 2)
        await collector.simulators[0].inject(RepeatFrames(5))
        await trade(collector, 2)
        await collector.simulators[0].inject(Close())
        await collector.trade_until(lambda: market.connects == 2 and collector.live)
        await trade(collector, 3)
        await collector.settled()
        await polled(collector)
        await collector.delivered()
        assert_right(await stored_in(nats.url), collector.simulators)
