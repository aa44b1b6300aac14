"""One book, driven by events that are written short or follow each other by themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mprism.feeds.binance.books import DepthBook
from mprism.feeds.binance.market import SPOT, Market
from mprism.feeds.binance.wire import DepthEvent, DepthSnapshot
from mprism.feeds.protocol import Action, Continuity
from mprism.schema import Level, OrderBook
from mprism.settings import OrderBookSettings
from tests.unit.binance_payloads import (
    BTC_SPOT,
    BTC_USDM,
    RECV_NS,
    depth_event,
    depth_snapshot,
    of_type,
    told,
)

SECOND = 1_700_000_000_000  # ms
MS = 1_000_000  # ns


def book_of(market: Market, continuity: Continuity | None = None) -> DepthBook:
    """A book that has seen nothing yet."""
    instrument = BTC_SPOT if market is SPOT else BTC_USDM
    return DepthBook(instrument, market, OrderBookSettings(), continuity or Continuity())


def events_of(text: str) -> list[DepthEvent]:
    """Events written as `U-u` or `U-u/pu`, separated by blanks."""
    events = []
    for word in text.split():
        ids, _, previous = word.partition("/")
        first, _, last = ids.partition("-")
        events.append(depth_event(int(first), int(last), int(previous) if previous else None))
    return events


def update(book: DepthBook, text: str) -> list[str]:
    """What these events lead to."""
    return [line for event in events_of(text) for line in told(book.update(event, RECV_NS))]


def snapshot(book: DepthBook, last_update_id: int) -> list[str]:
    """What a snapshot of this id leads to."""
    return told(book.snapshot(depth_snapshot(last_update_id), RECV_NS))


def in_short(happened: list[str]) -> str:
    """What happened in one line, without reasons."""
    return " ".join(line.split(":")[0] for line in happened)


def joined(market: Market, continuity: Continuity | None = None) -> DepthBook:
    """A live book at id 110."""
    book = book_of(market, continuity)
    update(book, "90-100/89 101-110/100")
    assert snapshot(book, 100)[-1] == "u100>110"
    return book


def order_books(actions: Iterable[Action]) -> list[OrderBook]:
    """The messages among the actions."""
    return of_type(actions, OrderBook)


class Chain:
    """A book whose events follow each other by themselves, one id each, from 100 on."""

    def __init__(
        self, settings: OrderBookSettings | None = None, market: Market = SPOT, window: int = 5_000
    ) -> None:
        settings = settings or OrderBookSettings()
        market = replace(market, window=window, depth_limits=None)
        self.book = DepthBook(BTC_SPOT, market, settings, Continuity())
        self.last_id = 99

    def event(
        self,
        pushed: int = SECOND,
        bids: Sequence[Level] = (),
        asks: Sequence[Level] = (),
        time: int | None = None,
    ) -> DepthEvent:
        """The next event. Times are in ms."""
        first, previous, self.last_id = self.last_id + 1, self.last_id, self.last_id + 1
        return depth_event(
            first, self.last_id, previous, bids=bids, asks=asks, pushed=pushed, time=time
        )

    def update(self, event: DepthEvent, recv_ns: int = RECV_NS) -> list[Action]:
        """What an event leads to."""
        return list(self.book.update(event, recv_ns))

    def snapshot(self, snapshot: DepthSnapshot, recv_ns: int = RECV_NS) -> list[Action]:
        """What a snapshot leads to."""
        return list(self.book.snapshot(snapshot, recv_ns))

    def begin(self, pushed: int = SECOND, snapshot: DepthSnapshot | None = None) -> list[Action]:
        """Go live with event 100, which the snapshot holds."""
        return [
            *self.update(self.event(pushed)),
            *self.snapshot(snapshot or depth_snapshot(100)),
        ]
