"""What Deribit publishes of one contract's market: its trades and its book, every 100 ms.

Trades of an interval come as one array; none are merged. `offset_us` shifts the contract's
intervals, so that not all contracts publish at once.
"""

from functools import partial
from random import Random

from mprism.simulator.deribit.books import BookChannel
from mprism.simulator.deribit.catalog import Contract
from mprism.simulator.deribit.deals import Deals, StreamedFlags
from mprism.simulator.deribit.gauges import Gauges
from mprism.simulator.deribit.payloads import notification
from mprism.simulator.market import SymbolMarket
from mprism.simulator.truth import SymbolTruth
from mprism.simulator.wire import Publication

INTERVAL_US = 100_000


class ContractFeed:
    """Trades and book of one contract."""

    def __init__(
        self,
        contract: Contract,
        market: SymbolMarket,
        gauges: Gauges,
        random: Random,
        streamed: StreamedFlags,
        offset_us: int,
    ) -> None:
        self.contract = contract
        self.market = market
        self.book = BookChannel(contract, market)
        self.deals = Deals(contract, random, streamed)
        self.trades = f"trades.{contract.name}.100ms"
        self._gauges = gauges
        self._offset_us = offset_us
        self._changed_ms = 0
        self._published = 0  # trades

    def truth(self) -> SymbolTruth:
        """The records that this feed goes on writing."""
        return SymbolTruth(
            self.market.opening,
            self.market.log,
            {"trades": self.deals.tape},
            self.book.updates,
            self.contract.unit,
            self.contract.factor,
        )

    def order(self, now_us: int) -> int:
        """One taker order; returns how many trades it makes, plus one for a book's update."""
        was_unchanged = not self.book.changed
        order = self.market.order()
        self._changed_ms = now_us // 1_000
        for fill in order.fills:
            self.deals.add(fill, order.buyer_is_maker, self._gauges.figures, now_us)
        return len(order.fills) + was_unchanged

    def due(self, now_us: int) -> list[Publication]:
        """What is to be sent at this time, in order."""
        due: list[Publication] = []
        if (now_us - self._offset_us) % INTERVAL_US:
            return due
        indexes = range(self._published, len(self.deals.tape))
        if indexes:
            self._published = indexes.stop
            encode = partial(_encode_trades, self.trades, self.deals, indexes)
            due.append(Publication(self.trades, encode, self.deals.records(indexes)))
        if self.book.changed:
            due.append(self.book.take(self._changed_ms))
        return due


def _encode_trades(channel: str, deals: Deals, indexes: range, _: int) -> bytes:
    return notification(channel, [deals.streamed(index) for index in indexes])
