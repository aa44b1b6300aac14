"""A whole simulated Deribit: contracts, tickers, volatility indexes, the platform.

All books take their change ids from one source, so that each book's ids jump. The messages
that the rate counts are single trades and the updates of books.
"""

from collections.abc import Iterable
from random import Random

from mprism.simulator.deribit.catalog import Contract
from mprism.simulator.deribit.deals import StreamedFlags
from mprism.simulator.deribit.feed import ContractFeed
from mprism.simulator.deribit.gauges import Gauges
from mprism.simulator.deribit.platform import Platform
from mprism.simulator.deribit.tickers import Tickers
from mprism.simulator.deribit.volatility import VolatilityIndex
from mprism.simulator.exchange import STEP_US, ExchangeMarket, UpdateIds
from mprism.simulator.faults import Maintenance, MarketFault
from mprism.simulator.market import SymbolMarket
from mprism.simulator.wire import Publication

EXCHANGE = "deribit_derivatives"
LONGEST_JUMP = 40  # of change ids
VOLATILITY = {"btc_usd": 4_530, "eth_usd": 6_800}  # index: percent points x 100


class DeribitMarket(ExchangeMarket):
    """The market of several contracts. `feeds` and `tickers` are by instrument name."""

    def __init__(
        self,
        contracts: tuple[Contract, ...],
        *,
        seed: int,
        rate: float,
        levels: int,
        start_us: int,
        streamed: StreamedFlags,
    ) -> None:
        random = Random(f"{seed}:{EXCHANGE}")
        change_ids = UpdateIds(random, LONGEST_JUMP)
        self.feeds: dict[str, ContractFeed] = {}
        self.tickers: dict[str, Tickers] = {}
        for n, contract in enumerate(contracts):
            own = Random(f"{seed}:{EXCHANGE}:{contract.name}")
            market = SymbolMarket(contract.instrument, own, change_ids.next, levels)
            aside = Random(f"{seed}:{EXCHANGE}:{contract.name}:gauges")
            gauges = Gauges(contract, market, aside)
            offset_us = n * STEP_US % 100_000
            feed = ContractFeed(contract, market, gauges, aside, streamed, offset_us)
            self.feeds[contract.name] = feed
            self.tickers[contract.name] = Tickers(feed, gauges, offset_us)
        self.indexes = {
            name: VolatilityIndex(name, Random(f"{seed}:{EXCHANGE}:{name}"), level)
            for name, level in VOLATILITY.items()
        }
        self.platform = Platform(contract.index_name for contract in contracts)
        super().__init__(
            EXCHANGE,
            "trades",
            self.feeds,
            [
                *(feed.deals for feed in self.feeds.values()),
                *self.tickers.values(),
                *self.indexes.values(),
                self.platform,
            ],
            random=random,
            rate=rate,
            start_us=start_us,
        )
        self.channels = frozenset(self._channels())

    def _channels(self) -> Iterable[str]:
        yield from self.platform.channels
        yield from (index.channel for index in self.indexes.values())
        for feed in self.feeds.values():
            yield from (feed.book.name, feed.trades)
        for tickers in self.tickers.values():
            for channel in tickers.channels:
                yield from channel.names.values()

    def inject(self, fault: MarketFault) -> Iterable[Publication]:
        """Announce maintenance; there are no other market faults here."""
        if isinstance(fault, Maintenance):
            return (self.platform.lock(self.now_us + int(fault.seconds * 1_000_000)),)
        return ()

    def is_book(self, channel: str) -> bool:
        """Whether a subscription to this channel begins with the whole book."""
        return channel.startswith("book.")

    def opening(self, channel: str) -> Publication | None:
        """What a subscription to a channel begins with, for one connection."""
        _, _, rest = channel.partition(".")
        name = rest.rpartition(".")[0]
        if self.is_book(channel):
            return self.feeds[name].book.snapshot(self.now_us // 1_000)
        if name not in self.tickers:
            return None
        openings = (c.opening(channel) for c in self.tickers[name].channels)
        return next((publication for publication in openings if publication), None)
