"""A whole simulated Binance market: all its symbols, advanced in steps of 10 ms.

The messages of the main streams are each symbol's trades and its `depth@100ms`. All USD-M
symbols take their update ids from one source.
"""

from random import Random

from mprism.simulator.binance.catalog import FUNDING_HOURS
from mprism.simulator.binance.coinm import CoinMargined
from mprism.simulator.binance.contract import Contract
from mprism.simulator.binance.feed import SymbolFeed, UsdmFeed
from mprism.simulator.binance.noise import Noise
from mprism.simulator.binance.venue import Venue
from mprism.simulator.exchange import STEP_US, ExchangeMarket, Source, UpdateIds
from mprism.simulator.instrument import Instrument
from mprism.simulator.market import SymbolMarket

LONGEST_JUMP = 40  # of update ids that all symbols share


class BinanceMarket(ExchangeMarket):
    """The market of several instruments. `feeds` and `contracts` are by symbol.

    Contracts exist on USD-M alone; `statistics_seconds` is the real length of the shortest
    period of their statistics.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: tuple[Instrument, ...],
        *,
        seed: int,
        rate: float,
        levels: int,
        start_us: int,
        statistics_seconds: float = 300.0,
    ) -> None:
        random = Random(f"{seed}:{venue.exchange}")
        shared_ids = UpdateIds(random, LONGEST_JUMP)

        def open_feed(instrument: Instrument, n: int) -> SymbolFeed:
            random = Random(f"{seed}:{venue.exchange}:{instrument.symbol}")
            ids = shared_ids if venue.shared_update_ids else UpdateIds(random, 1)
            market = SymbolMarket(instrument, random, ids.next, levels)
            return venue.feed(market, random, venue.depths, n * STEP_US % 100_000)

        def open_contract(feed: UsdmFeed) -> Contract:
            symbol = feed.market.instrument.symbol
            return Contract(
                feed,
                Noise(f"{seed}:{venue.exchange}:{symbol}"),
                adjusted_hours=FUNDING_HOURS.get(symbol),
                period_ms=int(statistics_seconds * 1_000),
                now_us=start_us,
            )

        self.feeds = {i.symbol: open_feed(i, n) for n, i in enumerate(instruments)}
        self.contracts = {
            symbol: open_contract(feed)
            for symbol, feed in self.feeds.items()
            if isinstance(feed, UsdmFeed)
        }
        sources: list[Source] = [*self.contracts.values()]
        if sources and rate:
            sources.append(CoinMargined(Random(f"{seed}:{venue.exchange}:coinm"), start_us))
        super().__init__(
            venue.exchange,
            venue.trade_channel,
            self.feeds,
            sources,
            random=random,
            rate=rate,
            start_us=start_us,
        )
