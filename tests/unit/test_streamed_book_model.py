"""A book on a bad connection to a model of the exchange: late, but never wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Reject,
    Request,
    Resubscribe,
)
from mprism.feeds.streamed_book import BookChange, StreamedBook
from mprism.schema import Level, OrderBook
from mprism.settings import OrderBookSettings

DEPTH = 3
SETTINGS = OrderBookSettings(depth=DEPTH, snapshot_interval_seconds=0.3)
MS = 1_000_000
# Numberings begin anew at a lower id; they are so far apart that none reaches another.
BEGINNINGS = [1_000_000, 50_000, 10]

Sides = tuple[dict[int, int], dict[int, int]]
"""Quantities by price of the bids and the asks."""


class Change(NamedTuple):
    is_ask: bool
    price: int
    quantity: int


class Step(NamedTuple):
    """Changes at the exchange, what it sends, messages on their way, and an answer."""

    changes: list[Change]
    emitted: bool
    begins_anew: bool
    fates: list[str]
    answer: str | None
    confirms: str | None  # how a resubscription goes on


def best(sides: Sides, depth: int) -> list[list[Level]]:
    prices = sorted(sides[0], reverse=True), sorted(sides[1])
    return [
        [(str(price), str(side[price])) for price in ordered[:depth]]
        for side, ordered in zip(sides, prices, strict=True)
    ]


def raw(levels: Iterable[Level]) -> Raw:
    return Raw(msgspec.json.encode(list(levels)))


@dataclass
class Exchange:
    """One instrument's engine and its channel. Every state has a time of its own."""

    sides: Sides = field(default_factory=lambda: ({10: 1, 9: 1}, {11: 1, 12: 1}))
    last_id: int = BEGINNINGS[0]
    time: int = 1_700_000_000_000
    beginnings: int = 1
    truth: dict[int, tuple[int, Sides]] = field(default_factory=dict)  # by time
    sent: dict[int, BookChange] = field(default_factory=dict)  # updates by time
    touched: dict[Change, None] = field(default_factory=dict)  # since the last update
    told_id: int = BEGINNINGS[0]
    told_time: int = 0
    in_flight: list[BookChange | None] = field(default_factory=list)  # None: an end is confirmed

    def __post_init__(self) -> None:
        self.remember()
        self.told_time = self.time

    def remember(self) -> None:
        self.truth[self.time] = self.last_id, (dict(self.sides[0]), dict(self.sides[1]))

    def change(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.last_id += 3
            self.time += 7
            side = self.sides[change.is_ask]
            side.pop(change.price, None)
            if change.quantity:
                side[change.price] = change.quantity
            self.touched[change] = None
            self.remember()

    def emit(self, *, begins_anew: bool = False) -> None:
        """Put what has changed on its way, or that nothing has."""
        self.time += 100
        if begins_anew and self.beginnings < len(BEGINNINGS):
            self.last_id = BEGINNINGS[self.beginnings]
            self.beginnings += 1
        self.remember()
        update = BookChange(
            False,
            self.told_id,
            self.last_id,
            self.time * MS,
            self._told(is_ask=False),
            self._told(is_ask=True),
        )
        self.touched.clear()
        self.told_id, self.told_time = self.last_id, self.time
        self.sent[self.time] = update
        self.in_flight.append(update)

    def _told(self, *, is_ask: bool) -> Raw:
        prices = dict.fromkeys(each.price for each in self.touched if each.is_ask is is_ask)
        return raw((str(price), str(self.sides[is_ask].get(price, 0))) for price in prices)

    def snapshot(self, time: int, *, garbled: bool = False) -> BookChange:
        """The book as it was at `time`."""
        last_id, sides = self.truth[time]
        bids, asks = best(sides, 100)
        if garbled:
            bids = [("10", "one")]
        return BookChange(True, None, last_id, time * MS, raw(bids), raw(asks))


class Collector:
    """Our side, with a reader that compares every message with the exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.book = StreamedBook(
            "books:X",
            Instrument("okx_spot", "spot", "X-Y", "X-Y"),
            SETTINGS,
            Continuity(),
            window=100,
            snapshot_request=Request("/books"),
        )
        self.live = False
        self.chain: int | None = None  # the id of the last message since the book became live
        self.newest = 0  # the time of the last message
        self.asked: list[int] = []  # per request under way: the time when it was made
        self.leaving = 0  # resubscriptions that the exchange has not seen
        self.delivered: list[BookChange] = []
        self.take(self.book.begin())

    def take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case OrderBook():
                    self.read(action)
                case BookState():
                    self.live, self.chain = action.live, None
                case Fetch():
                    self.asked.append(self.exchange.time)
                case Resubscribe():
                    assert not self.live
                    self.leaving += 1
                case Reject():
                    assert action.reason == "malformed levels"

    def read(self, message: OrderBook) -> None:
        assert self.live
        time = message.ts_event // MS
        last_id, sides = self.exchange.truth[time]
        assert message.last_update_id == last_id
        truth = best(sides, DEPTH)
        if message.update_type == "snapshot":
            assert message.prev_update_id is None
            assert self.chain in (None, last_id)
            assert [message.bids, message.asks] == truth
        else:
            assert message.prev_update_id == self.chain is not None
            sent = self.exchange.sent[time]
            assert [message.bids, message.asks] == [
                msgspec.json.decode(side, type=list[Level]) for side in (sent.bids, sent.asks)
            ]
        best_levels = [
            (message.best_bid_price, message.best_bid_quantity),
            (message.best_ask_price, message.best_ask_quantity),
        ]
        for level, side in zip(best_levels, truth, strict=True):
            assert level == (side[0] if side else (None, None))
        assert time >= self.newest
        self.chain, self.newest = last_id, time

    def deliver(self, change: BookChange) -> None:
        self.take(self.book.receive(change, 1))
        self.delivered.append(change)

    def suffer(self, fate: str) -> None:
        """The next message in flight meets its fate."""
        if fate == "old":
            updates = [change for change in self.delivered if not change.is_snapshot]
            if updates and self.live:
                self.take(self.book.receive(updates[len(updates) // 2], 1))
            return
        if not self.exchange.in_flight:
            return
        change = self.exchange.in_flight.pop(0)
        if change is None:
            self.book.restart()
        elif fate == "unreadable":
            self.take(self.book.malformed("a message was malformed"))
        elif fate == "garbled":
            self.take(self.book.receive(_garbled(change), 1))
        elif fate != "lost":
            self.deliver(change)
            if fate == "twice":
                self.deliver(change)

    def answer(self, kind: str) -> None:
        """The oldest request is answered."""
        if not self.asked:
            return
        at = self.asked.pop(0)
        exchange = self.exchange
        if kind == "none":
            self.take(self.book.retry())
            return
        times = [time for time in exchange.truth if time <= at]
        at = {"fresh": max(exchange.truth), "told": exchange.told_time}.get(kind, times[-1])
        if kind == "stale":
            at = times[len(times) // 2]
        self.take(self.book.fetched(exchange.snapshot(at, garbled=kind == "garbled"), 1))

    def confirm(self, kind: str) -> None:
        """A resubscription arrives at the exchange. What it had sent before comes first."""
        if self.leaving:
            self.leaving -= 1
            exchange = self.exchange
            exchange.in_flight.append(None)
            if kind != "no snapshot":
                exchange.in_flight.append(exchange.snapshot(exchange.told_time))

    def run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.exchange.change(step.changes)
            if step.emitted:
                self.exchange.emit(begins_anew=step.begins_anew)
            for fate in step.fates:
                self.suffer(fate)
            if step.answer is not None:
                self.answer(step.answer)
            if step.confirms is not None:
                self.confirm(step.confirms)

    def recover(self) -> None:
        """The connection is good from now on: everything arrives, everything is answered."""
        for quantity in range(10, 20):
            self.exchange.change([Change(False, 1, quantity), Change(True, 20, quantity)])
            self.exchange.emit()
            self.exchange.time += 300
            while self.exchange.in_flight:
                self.suffer("delivered")
            for _ in tuple(self.asked):
                self.answer("fresh")
            self.confirm("snapshot")


def _garbled(change: BookChange) -> BookChange:
    return BookChange(
        change.is_snapshot,
        change.previous_id,
        change.last_id,
        change.ts_event,
        Raw(b'[["1","-1"]]'),
        change.asks,
    )


CHANGES = st.lists(
    st.builds(Change, st.booleans(), st.integers(5, 14), st.sampled_from([0, 0, 1, 2, 3])),
    max_size=4,
)
FATES = st.lists(
    st.sampled_from(["delivered"] * 12 + ["lost", "twice", "old", "garbled", "unreadable"]),
    min_size=1,
    max_size=4,
)
ANSWERS = st.sampled_from([None, "fresh", "fresh", "told", "as asked", "stale", "garbled", "none"])
CONFIRMS = st.sampled_from([None, "snapshot", "snapshot", "no snapshot"])
STEPS = st.lists(
    st.builds(
        Step,
        CHANGES,
        st.sampled_from([True, True, True, False]),
        st.sampled_from([False] * 9 + [True]),
        FATES,
        ANSWERS,
        CONFIRMS,
    ),
    min_size=8,
    max_size=40,
)


@given(begins_with_snapshot=st.booleans(), steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_no_wrong_book_is_published_and_it_always_comes_back(
    begins_with_snapshot: bool, steps: list[Step]
) -> None:
    exchange = Exchange()
    collector = Collector(exchange)
    if begins_with_snapshot:
        collector.deliver(exchange.snapshot(exchange.told_time))
        assert collector.live
    collector.run(steps)
    collector.recover()
    assert collector.live
    assert collector.chain == exchange.last_id
    (message,) = collector.book.republish(1)
    assert isinstance(message, OrderBook)
    assert [message.bids, message.asks] == best(exchange.sides, DEPTH)
    assert collector.asked == []
    assert collector.leaving == 0
