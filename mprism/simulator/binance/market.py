"""A whole simulated Binance market: all its symbols, advanced in steps of 10 ms.

The messages of the main streams are each symbol's trades and its `depth@100ms`. All USD-M
symbols take their update ids from one source.
"""

from random import Random

from mprism.simulator.binance.feed import SymbolFeed
from mprism.simulator.binance.venue import Venue
from mprism.simulator.exchange import STEP_US, ExchangeMarket, UpdateIds
from mprism.simulator.instrument import Instrument
from mprism.simulator.market import SymbolMarket

LONGEST_JUMP = 40  # of update ids that all symbols share


class BinanceMarket(ExchangeMarket):
    """The market of several instruments. `feeds` are by symbol."""

    def __init__(
        self,
        venue: Venue,
        instruments: tuple[Instrument, ...],
        *,
        seed: int,
        rate: float,
        levels: int,
        start_us: int,
    ) -> None:
        random = Random(f"{seed}:{venue.exchange}")
        shared_ids = UpdateIds(random, LONGEST_JUMP)

        def open_feed(instrument: Instrument, n: int) -> SymbolFeed:
            random = Random(f"{seed}:{venue.exchange}:{instrument.symbol}")
            ids = shared_ids if venue.shared_update_ids else UpdateIds(random, 1)
            market = SymbolMarket(instrument, random, ids.next, levels)
            return venue.feed(market, random, venue.depths, n * STEP_US % 100_000)

        self.feeds = {i.symbol: open_feed(i, n) for n, i in enumerate(instruments)}
        super().__init__(
            venue.exchange,
            venue.trade_channel,
            self.feeds,
            random=random,
            rate=rate,
            start_us=start_us,
        )
