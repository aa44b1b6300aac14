"""Two markets and a collector: one gets the faults, the other must not notice."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mprism.nursery.stored import StoredMessage
from mprism.schema import Trade, decode
from mprism.settings import ExchangeName, ExchangeSettings
from mprism.simulator import BinanceSimulator
from mprism.state import FeedState
from tests.socket.collector_fixture import (
    EXCHANGE,
    Collector,
    assert_right,
    open_collector,
    stored_in,
)
from tests.socket.markets import open_markets
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
