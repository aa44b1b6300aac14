"""What OKX publishes of one instrument's trading: its book, its trades, and their aggregates.

`trades-all` has every fill. `trades` has one message for what a taker order got at one price;
its id is that of the last fill, and `count` says how many there were.
"""

from collections.abc import Iterable
from functools import partial
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Any

from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.books import INTERVAL_US, BooksChannel
from mprism.simulator.okx.catalog import Listing
from mprism.simulator.okx.push import push
from mprism.simulator.tape import Tape
from mprism.simulator.truth import SymbolTruth
from mprism.simulator.wire import Publication

ENHANCED_SHARE = 0.02  # of orders: filled by the liquidity that only people at a screen see


class OkxFeed:
    """One instrument. `offset_us` shifts its intervals against those of the others."""

    def __init__(
        self,
        listing: Listing,
        market: SymbolMarket,
        random: Random,
        *,
        heartbeat_us: int,
        start_us: int,
        offset_us: int,
    ) -> None:
        self.listing = listing
        self.market = market
        self.books = BooksChannel(market, heartbeat_us, start_us)
        self.fills = Tape(market.instrument, "trades-all", random.randrange(10**8, 10**9))
        self.aggregates = Tape(market.instrument, "trades", 1, named_by_last=True)
        self._random = random
        self._offset_us = offset_us
        self._ready: list[Publication] = []

    def truth(self) -> SymbolTruth:
        """The records that this feed goes on writing."""
        return SymbolTruth(
            self.market.opening,
            self.market.log,
            {tape.stream: tape for tape in (self.fills, self.aggregates)},
            self.books.updates,
            self.listing.quantity_unit,
            self.listing.quantity_factor,
        )

    def order(self, now_us: int) -> int:
        """One taker order; returns how many more messages of the main streams it causes."""
        was_unchanged = not self.books.changed
        order = self.market.order()
        source = "1" if self._random.random() < ENHANCED_SHARE else "0"
        for price, fills in groupby(order.fills, attrgetter("price")):
            first, lots = self.fills.next_id, 0
            for fill in fills:
                lots += fill.lots
                index = self.fills.append(price, fill.lots, order.buyer_is_maker, now_us)
                self._publish(self.fills, index, {"source": source})
            covers = first, self.fills.next_id - 1
            index = self.aggregates.append(price, lots, order.buyer_is_maker, now_us, covers=covers)
            count = str(covers[1] - covers[0] + 1)
            seq_id = self.market.book.update_id
            self._publish(
                self.aggregates, index, {"count": count, "source": source, "seqId": seq_id}
            )
        return len(order.fills) + was_unchanged

    def due(self, now_us: int) -> Iterable[Publication]:
        """What is to be sent at this time, in order."""
        ready, self._ready = self._ready, []
        yield from ready
        if (now_us - self._offset_us) % INTERVAL_US == 0:
            yield from self.books.due(now_us)

    def _publish(self, tape: Tape, index: int, more: dict[str, Any]) -> None:
        stream = f"{tape.stream}:{self.market.instrument.symbol}"
        encode = partial(_encode, stream, tape, index, more)
        self._ready.append(Publication(stream, encode, [(tape, index)]))


def trade_row(tape: Tape, index: int) -> dict[str, Any]:
    """A trade as streams and REST answers have it in common."""
    record = tape[index]
    return {
        "instId": tape.instrument.symbol,
        "tradeId": str(record.trade_id),
        "px": record.price,
        "sz": record.quantity,
        "side": "sell" if record.buyer_is_maker else "buy",
        "ts": str(record.time_us // 1_000),
    }


def _encode(stream: str, tape: Tape, index: int, more: dict[str, Any], _: int) -> bytes:
    return push(stream, [{**trade_row(tape, index), **more}])
