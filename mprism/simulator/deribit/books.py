"""The book channel of one contract: changes every 100 ms, and the whole book to begin with.

Each change names the one before it, and a whole book is the one after the last change that
was published, so that whoever begins with it can apply what follows.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from mprism.simulator.deribit.catalog import Contract
from mprism.simulator.deribit.payloads import Change, book_change, book_snapshot, notification
from mprism.simulator.market import SymbolMarket
from mprism.simulator.wire import Publication


class BookChannel:
    """`book.{instrument}.100ms`. `shown` is the book as published."""

    def __init__(self, contract: Contract, market: SymbolMarket) -> None:
        self.name = f"book.{contract.name}.100ms"
        self.shown = market.opening.copy()
        self.updates: list[int] = []  # written whole
        self._contract = contract
        self._market = market
        self._published = 0
        self._time_ms = 0

    @property
    def changed(self) -> bool:
        """Whether there is something to publish. A still book says nothing."""
        return len(self._market.log) > self._published

    def take(self, time_ms: int) -> Publication:
        """The change since the last message; it counts as published."""
        log, previous = self._market.log, self.shown.update_id
        newest = dict(zip(log.keys[self._published :], log.lots[self._published :], strict=True))
        changes = list(self._changes(newest))
        for key, lots, _ in changes:
            self.shown.side_of(key).put(key, lots)
        self.shown.update_id = log.ids[-1]
        self._published = len(log)
        self._time_ms = time_ms
        ids = previous, log.ids[-1]
        encode = partial(_encode_change, self.name, self._contract, changes, ids, time_ms)
        return Publication(self.name, encode, updates=self.updates, update_id=ids[1])

    def _changes(self, newest: Mapping[int, int]) -> Iterator[Change]:
        for key, lots in newest.items():
            known = key in self.shown.side_of(key).lots
            # A level that came and went meanwhile is not spoken of.
            if known or lots:
                yield key, lots, ("change" if known else "new") if lots else "delete"

    def snapshot(self, now_ms: int) -> Publication:
        """The whole book for one connection."""
        data = book_snapshot(self._contract, self.shown, self._time_ms or now_ms)
        payload = notification(self.name, data)
        return Publication(self.name, lambda _: payload)


def _encode_change(
    channel: str,
    contract: Contract,
    changes: list[Change],
    ids: tuple[int, int],
    time_ms: int,
    _: int,
) -> bytes:
    return notification(channel, book_change(contract, changes, ids, time_ms))
