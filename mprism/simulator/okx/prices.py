"""The channels `mark-price` and `index-tickers`: once a second."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.catalog import Listing
from mprism.simulator.okx.figures import figure
from mprism.simulator.okx.push import push
from mprism.simulator.okx.source import middle
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

INTERVAL_US = 1_000_000


class MarkPrice:
    """One derivative's mark price: near the middle of its book."""

    values: tuple[ValueTape, ...] = ()

    def __init__(
        self, listing: Listing, market: SymbolMarket, random: Random, start_us: int
    ) -> None:
        self.stream = f"mark-price:{listing.inst_id}"
        self.openings = {self.stream: self._latest}
        self._listing = listing
        self._market = market
        self._random = random
        self._row: dict[str, Any] = {}
        self._renew(start_us)

    def due(self, now_us: int) -> Iterable[Publication]:
        """A push at the end of an interval."""
        if now_us % INTERVAL_US == 0:
            self._renew(now_us)
            yield from self._latest()

    def _renew(self, now_us: int) -> None:
        offset = Decimal(self._random.randrange(-20, 21)) / 100
        self._row = {
            "instType": self._listing.inst_type,
            "instId": self._listing.inst_id,
            "markPx": figure(middle(self._market) + offset),
            "ts": str(now_us // 1_000),
        }

    def _latest(self) -> Iterable[Publication]:
        yield Publication(self.stream, partial(_encode, self.stream, self._row))


class IndexTickers:
    """All indices of the derivatives there are. `markets` are by the name of the index."""

    values: tuple[ValueTape, ...] = ()

    def __init__(self, markets: Mapping[str, SymbolMarket], start_us: int) -> None:
        self._markets = markets
        self._now_us = start_us
        self._opened = {index: figure(middle(market)) for index, market in markets.items()}
        self.openings = {f"index-tickers:{i}": partial(self._publish, i) for i in markets}

    def due(self, now_us: int) -> Iterable[Publication]:
        """A push of each at the end of an interval."""
        self._now_us = now_us
        if now_us % INTERVAL_US == 0:
            for index in self._markets:
                yield from self._publish(index)

    def _publish(self, index: str) -> Iterable[Publication]:
        opened = self._opened[index]
        row = {
            "instId": index,
            "idxPx": figure(middle(self._markets[index])),
            "high24h": opened,
            "low24h": opened,
            "open24h": opened,
            "sodUtc0": opened,
            "sodUtc8": opened,
            "ts": str(self._now_us // 1_000),
        }
        stream = f"index-tickers:{index}"
        yield Publication(stream, partial(_encode, stream, row))


def _encode(stream: str, row: dict[str, Any], _: int) -> bytes:
    return push(stream, [row])
