"""The `books` channel of one instrument: 400 levels, changes every 100 ms.

The market itself is never deeper than the channel, so the channel shows all of it. Each
update names the one before it; a whole book is the one after the last update that was
published, so that whoever begins with it can apply what follows. A still book repeats its
number with nothing in it.
"""

from collections.abc import Iterable
from functools import partial

from mprism.simulator.book import Book
from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.push import push
from mprism.simulator.wire import Publication

BOOK_LEVELS = 400
INTERVAL_US = 100_000

Row = tuple[str, str, str, str]
"""Price, size, "0" and the number of orders."""


class BooksChannel:
    """One instrument's updates. `shown` is the book as published."""

    def __init__(self, market: SymbolMarket, heartbeat_us: int, start_us: int) -> None:
        self.name = f"books:{market.instrument.symbol}"
        self.shown = market.opening.copy()
        self.updates: list[int] = []  # written whole
        self._market = market
        self._heartbeat_us = heartbeat_us
        self._published = 0
        self._told_us = start_us

    @property
    def changed(self) -> bool:
        """Whether there is a change to publish."""
        return len(self._market.log) > self._published

    def due(self, now_us: int) -> Iterable[Publication]:
        """The update at the end of an interval; an empty one when none came for long."""
        if self.changed:
            yield self._update(now_us)
        elif now_us - self._told_us >= self._heartbeat_us:
            self._told_us = now_us
            ids = self.shown.update_id, self.shown.update_id
            yield Publication(self.name, partial(self._encode, {}, ids, now_us))

    def snapshot(self, now_us: int) -> Publication:
        """The whole book for one connection."""
        bids, asks = self.shown.bids, self.shown.asks
        lots = {key: side.lots[key] for side in (bids, asks) for key in side.order}
        payload = self._encode(lots, (-1, self.shown.update_id), now_us, 0)
        return Publication(self.name, lambda _: payload)

    def _update(self, now_us: int) -> Publication:
        log, previous = self._market.log, self.shown.update_id
        levels = zip(log.keys[self._published :], log.lots[self._published :], strict=True)
        newest = dict(levels)
        self._published = len(log)
        self._told_us = now_us
        for key, lots in newest.items():
            self.shown.side_of(key).put(key, lots)
        seq_id = self.shown.update_id = log.ids[-1]
        encode = partial(self._encode, newest, (previous, seq_id), now_us)
        return Publication(self.name, encode, updates=self.updates, update_id=seq_id)

    def _encode(self, lots: dict[int, int], ids: tuple[int, int], now_us: int, _: int) -> bytes:
        previous, seq_id = ids
        row = {
            "asks": [self._row(key, lots[key]) for key in lots if key > 0],
            "bids": [self._row(key, lots[key]) for key in lots if key < 0],
            "ts": str(now_us // 1_000),
            "checksum": 0,
            "prevSeqId": previous,
            "seqId": seq_id,
        }
        return push(self.name, [row], "snapshot" if previous == -1 else "update")

    def _row(self, key: int, lots: int) -> Row:
        return level_row(self.shown, key, lots)


def level_row(book: Book, key: int, lots: int) -> Row:
    """A level as OKX writes it; one that is removed has no orders."""
    instrument = book.instrument
    orders = 1 + lots % 7 if lots else 0
    return instrument.price.text(abs(key)), instrument.quantity.text(lots), "0", str(orders)
