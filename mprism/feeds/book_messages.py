"""The messages of one book: tops at intervals of exchange time, and updates between them."""

from collections.abc import Iterable
from typing import Final, Literal

from mprism.feeds.book import OrderBook
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import Change
from mprism.schema import Level, Levels, rfc3339
from mprism.schema import OrderBook as OrderBookEvent
from mprism.settings import OrderBookSettings

_MOST_BACK_NS: Final = 60_000_000_000


class BookMessages:
    """Makes the messages of one instrument's book and knows when the next top is due.

    Levels of the book are as on the wire, those of messages in the instrument's unit. Times
    are in nanoseconds. What makes a message may raise MalformedNumber.
    """

    def __init__(self, instrument: Instrument, settings: OrderBookSettings) -> None:
        self.top_id = -1  # the update id that was last published as a top
        self._instrument = instrument
        self._depth = settings.depth
        self._interval_ns = round(settings.snapshot_interval_seconds * 1_000_000_000)
        self._interval = -1  # the interval that was last published
        self._converted: dict[bytes, bytes] = {}  # the levels of the last top, by the wire's text

    def is_due(self, ts_event: int) -> bool:
        """Whether an event of this time is the first one of an interval."""
        intervals = ts_event // self._interval_ns - self._interval
        # So much older means that the time of the last top was wrong.
        return intervals > 0 or intervals * self._interval_ns < -_MOST_BACK_NS

    def hurry(self) -> None:
        """The next event is due, whatever its time."""
        self._interval = -1

    def top(self, book: OrderBook, last_id: int, ts_event: int, recv_ns: int) -> OrderBookEvent:
        """The best levels of the book."""
        self._interval, self.top_id = ts_event // self._interval_ns, last_id
        sides = book.bids.levels(self._depth), book.asks.levels(self._depth)
        if self._instrument.is_scaled:
            # Most levels are those of the last top.
            known = self._converted
            self._converted = {
                level: known.get(level) or self._scaled(level) for side in sides for level in side
            }
        bids, asks = (
            Levels.joined([self._converted.get(level, level) for level in side]) for side in sides
        )
        return self._event(book, "snapshot", (None, last_id), (bids, asks), ts_event, recv_ns)

    def update(
        self,
        book: OrderBook,
        ids: tuple[int, int],
        levels: tuple[Levels, Levels],
        ts_event: int,
        recv_ns: int,
    ) -> OrderBookEvent:
        """One update, after which the book is as it is now: ids (previous, last), (bids, asks)."""
        return self._event(book, "update", ids, levels, ts_event, recv_ns)

    def changed(self, changes: tuple[list[Change], list[Change]]) -> tuple[Levels, Levels]:
        """The levels that an update has changed, for `update`."""
        bids, asks = changes
        return self._levels(text for _, text in bids), self._levels(text for _, text in asks)

    def _levels(self, levels: Iterable[bytes]) -> Levels:
        if self._instrument.is_scaled:
            return Levels.joined([self._scaled(level) for level in levels])
        return Levels.joined(list(levels))

    def _scaled(self, level: bytes) -> bytes:
        price, _, quantity = level.rpartition(b",")
        return b'%b,"%b"' % (price, self._instrument.quantity(quantity[1:-1].decode()).encode())

    def _best(self, level: Level | None) -> tuple[str | None, str | None]:
        return (None, None) if level is None else (level[0], self._instrument.quantity(level[1]))

    def _event(
        self,
        book: OrderBook,
        update_type: Literal["snapshot", "update"],
        ids: tuple[int | None, int],
        levels: tuple[Levels, Levels],
        ts_event: int,
        recv_ns: int,
    ) -> OrderBookEvent:
        instrument = self._instrument
        bid_price, bid_quantity = self._best(book.bids.best)
        ask_price, ask_quantity = self._best(book.asks.best)
        return OrderBookEvent(
            exchange=instrument.exchange,
            market_type=instrument.market_type,
            symbol=instrument.symbol,
            instrument_id=instrument.instrument_id,
            timestamp=rfc3339(ts_event),
            ts_event=ts_event,
            ts_recv=recv_ns,
            update_type=update_type,
            last_update_id=ids[1],
            prev_update_id=ids[0],
            bids=levels[0],
            asks=levels[1],
            best_bid_price=bid_price,
            best_bid_quantity=bid_quantity,
            best_ask_price=ask_price,
            best_ask_quantity=ask_quantity,
            depth_levels=max(len(levels[0]), len(levels[1])),
            quantity_unit=instrument.quantity_unit,
            contract_size=instrument.contract_size,
        )
