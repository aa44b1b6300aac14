"""A book on a bad connection to a model of the exchange: late, but never wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.protocol import Action, BookState, Fetch, Reject
from mprism.schema import Level, OrderBook
from mprism.settings import OrderBookSettings
from tests.unit.binance_payloads import Socket, depth, depth_usdm, snapshot

STREAM = "btcusdt@depth@100ms"
WINDOW, LIMIT, DEPTH = 5, 4, 3
SETTINGS = OrderBookSettings(depth=DEPTH, rest_levels=LIMIT, snapshot_interval_seconds=0.3)
PRICES = 8

Sides = tuple[dict[int, int], dict[int, int]]
"""Quantities by price of the bids and the asks."""


class Change(NamedTuple):
    is_ask: bool
    price: int
    quantity: int


class Step(NamedTuple):
    """Changes at the exchange, events on their way from it, and an answer to a request."""

    changes: list[Change]
    emitted: bool
    fates: list[str]
    answer: str | None


class Emitted(NamedTuple):
    """One event: the frame's data, and the last id of the event before it."""

    data: dict[str, object]
    last_id: int
    previous_id: int


def best(sides: Sides, depth: int) -> list[list[Level]]:
    prices = sorted(sides[0], reverse=True), sorted(sides[1])
    return [
        [(str(price), str(side[price])) for price in ordered[:depth]]
        for side, ordered in zip(sides, prices, strict=True)
    ]


@dataclass
class Exchange:
    """One symbol's engine, and its stream, whose events hold changes inside the window alone."""

    market: Market
    sides: Sides = field(default_factory=lambda: ({10: 1, 9: 1}, {11: 1, 12: 1}))
    last_id: int = 1_000
    emitted_id: int = 1_000
    time: int = 1_700_000_000_000
    history: dict[int, Sides] = field(default_factory=dict)
    events: dict[int, Emitted] = field(default_factory=dict)
    in_flight: list[Emitted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._remember()

    def _remember(self) -> None:
        self.history[self.last_id] = (dict(self.sides[0]), dict(self.sides[1]))

    def change(self, changes: Iterable[Change]) -> None:
        """Each change is one update id; on USD-M other symbols use up some between them."""
        for change in changes:
            self.last_id += 1 if self.market.exchange == SPOT.exchange else 3
            side = self.sides[change.is_ask]
            side.pop(change.price, None)
            if change.quantity:
                side[change.price] = change.quantity
            self._remember()

    def emit(self) -> None:
        """Put what has changed since the last event on its way."""
        ids = [number for number in self.history if number > self.emitted_id]
        self.time += 100
        if not ids:
            return
        levels = {"b": self._told(False, ids), "a": self._told(True, ids)}
        levels["E"] = self.time  # type: ignore[assignment]
        if self.market.exchange == SPOT.exchange:
            data = depth(ids[0], ids[-1], **levels)
        else:
            data = depth_usdm(ids[0], ids[-1], self.emitted_id, **levels, T=self.time)
        event = Emitted(data, ids[-1], self.emitted_id)
        self.emitted_id = ids[-1]
        self.events[event.last_id] = event
        self.in_flight.append(event)

    def _told(self, is_ask: bool, ids: list[int]) -> list[Level]:
        before, after = self.history[self.emitted_id][is_ask], self.history[ids[-1]][is_ask]
        touched = []
        previous = before
        for number in ids:
            state = self.history[number][is_ask]
            prices = state.keys() | previous.keys()
            touched += [price for price in prices if state.get(price) != previous.get(price)]
            previous = state
        return [
            (str(price), str(after.get(price, 0)))
            for price in dict.fromkeys(touched)
            if min(rank(before, price, is_ask), rank(after, price, is_ask)) < WINDOW
        ]


def rank(side: dict[int, int], price: int, is_ask: bool) -> int:
    return sum(other < price if is_ask else other > price for other in side)


class Collector:
    """Our side, with a reader that compares every message with the exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        market = replace(exchange.market, window=WINDOW, depth_limits=None)
        self.socket = Socket(market, SETTINGS)
        self.live = False
        self.chain: int | None = None  # the id of the last message since the book became live
        self.newest = 0  # the id of the last message
        self.asked: list[int] = []  # per request under way: the engine's id when it was made
        self.delivered: list[Emitted] = []
        self.take(self.socket.acknowledge())

    def take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case OrderBook():
                    self.read(action)
                case BookState():
                    assert action.live is not self.live
                    self.live, self.chain = action.live, None
                case Fetch(key="BTCUSDT"):
                    self.asked.append(self.exchange.last_id)
                case Reject():
                    assert action.reason in {"malformed levels", "malformed snapshot"}

    def read(self, message: OrderBook) -> None:
        exchange = self.exchange
        assert self.live
        truth = best(exchange.history[message.last_update_id], DEPTH)
        if message.update_type == "snapshot":
            assert message.prev_update_id is None
            assert self.chain in (None, message.last_update_id)
            assert list(message.bids) == truth[0][: len(message.bids)]
            assert list(message.asks) == truth[1][: len(message.asks)]
        else:
            event = exchange.events[message.last_update_id]
            assert self.chain is not None
            assert message.prev_update_id == self.chain
            # Nothing between the message before and this one.
            assert event.previous_id <= self.chain <= event.last_id
            assert list(message.bids) == event.data["b"]
            assert list(message.asks) == event.data["a"]
        best_levels = [
            (message.best_bid_price, message.best_bid_quantity),
            (message.best_ask_price, message.best_ask_quantity),
        ]
        for level, side in zip(best_levels, truth, strict=True):
            assert level == (None, None) or level == side[0]
        assert message.last_update_id >= self.newest
        self.chain = self.newest = message.last_update_id

    def deliver(self, event: Emitted, *, garbled: bool = False) -> None:
        data = event.data | {"b": [["10", "-1"]]} if garbled else event.data
        self.take(self.socket.event(STREAM, data))
        self.delivered.append(event)

    def suffer(self, fate: str) -> None:
        """The next event in flight meets its fate."""
        if fate == "old" and self.delivered:
            self.deliver(self.delivered[len(self.delivered) // 2])
        elif self.exchange.in_flight:
            event = self.exchange.in_flight.pop(0)
            if fate != "lost":
                self.deliver(event, garbled=fate == "garbled")
            if fate == "twice":
                self.deliver(event)

    def answer(self, kind: str) -> None:
        """The oldest request is answered."""
        if not self.asked:
            return
        at = self.asked.pop(0)
        history = self.exchange.history
        if kind == "fresh":
            at = self.exchange.last_id
        elif kind == "stale":
            at = list(history)[len(history) // 2]
        bids, asks = best(history[at], LIMIT)
        if kind == "garbled":
            bids = [("10", "one")]
        body = b"<html>" if kind == "none" else snapshot(at, bids, asks)
        self.take(self.socket.snapshot(body))

    def run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.exchange.change(step.changes)
            if step.emitted:
                self.exchange.emit()
            for fate in step.fates:
                self.suffer(fate)
            if step.answer is not None:
                self.answer(step.answer)

    def recover(self) -> None:
        """The connection is good from now on: everything arrives, requests are answered."""
        exchange = self.exchange
        for quantity in range(10, 20):
            exchange.change([Change(False, 1, quantity), Change(True, PRICES + 9, quantity)])
            exchange.emit()
            exchange.time += 300
            while exchange.in_flight:
                self.suffer("delivered")
            for _ in tuple(self.asked):
                self.answer("fresh")


CHANGES = st.lists(
    st.builds(Change, st.booleans(), st.integers(5, 5 + PRICES), st.sampled_from([0, 0, 1, 2, 3])),
    max_size=4,
)
FATES = st.lists(
    st.sampled_from(["delivered"] * 12 + ["lost", "twice", "old", "garbled"]),
    min_size=1,
    max_size=3,
)
ANSWERS = st.sampled_from([None] * 3 + ["fresh", "fresh", "as asked", "stale", "garbled", "none"])
EMITTED = st.sampled_from([True, True, True, False])
STEPS = st.lists(st.builds(Step, CHANGES, EMITTED, FATES, ANSWERS), min_size=8, max_size=40)


@pytest.mark.parametrize("market", [SPOT, USDM], ids=["spot", "usdm"])
@given(steps=STEPS)
@settings(max_examples=150)
def test_no_wrong_book_is_published_and_it_always_comes_back(
    market: Market, steps: list[Step]
) -> None:
    exchange = Exchange(market)
    collector = Collector(exchange)
    collector.run([Step([Change(False, 10, 5)], True, ["delivered"], "fresh")])
    assert collector.live
    collector.run(steps)
    collector.recover()
    assert collector.live
    assert collector.chain == exchange.last_id
    (message,) = collector.socket.connection.republish("BTC-USDT", 1)
    assert isinstance(message, OrderBook)
    assert [message.bids, message.asks] == best(exchange.sides, DEPTH)
    assert collector.asked == []
