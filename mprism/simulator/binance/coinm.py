"""COIN-M, as far as USD-M streams carry it: liquidations of a few contracts.

They are made up and belong to no book; at most one a second of each contract is told.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random

from mprism.simulator.binance import valuepayloads
from mprism.simulator.binance.liquidations import ALL_LIQUIDATIONS, COINM, Liquidation
from mprism.simulator.instrument import Instrument
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

PAUSE_US = (1_500_000, 4_000_000)  # between two liquidations of a contract


class CoinMargined:
    """The COIN-M half of the stream of all liquidations. Nothing of it counts as collected."""

    values: Sequence[ValueTape] = ()

    def __init__(self, random: Random, now_us: int) -> None:
        self._random = random
        self._next_us = {instrument: now_us + random.randrange(PAUSE_US[0]) for instrument in COINM}

    def due(self, now_us: int) -> Iterator[Publication]:
        """What is to be sent at this time, in order."""
        for instrument, next_us in self._next_us.items():
            if now_us >= next_us:
                self._next_us[instrument] = now_us + self._random.randrange(*PAUSE_US)
                order = self._liquidation(instrument, now_us)
                encode = partial(valuepayloads.force_order, order, now_us)
                yield Publication(ALL_LIQUIDATIONS, encode)

    def _liquidation(self, instrument: Instrument, now_us: int) -> Liquidation:
        price = instrument.opening + self._random.randrange(-500, 500)
        lots = 1 + self._random.randrange(instrument.lot)
        average = instrument.price.text(price)
        selling = self._random.random() < 0.5
        return Liquidation(instrument, selling, price, average, lots, lots, lots, now_us)
