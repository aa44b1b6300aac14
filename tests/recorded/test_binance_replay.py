"""Recorded sessions through the protocols end as their truth says.

The recordings are not part of the project: the tests read them beside it and skip without.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mprism.feeds.protocol import Action, Gap
from mprism.feeds.registry import VENUES
from mprism.recording import read_recording
from mprism.replay import Replay
from mprism.schema import OrderBook, Trade
from mprism.settings import ExchangeName, ExchangeSettings, OrderBookSettings

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "recordings"
pytestmark = pytest.mark.skipif(
    not (RECORDINGS / "truth.json").exists(), reason=f"no recordings in {RECORDINGS}"
)
# Snapshots as deep as the recorded ones, so that a reader of the messages has whole books.
WHOLE_BOOKS = ExchangeSettings(orderbook=OrderBookSettings(depth=1_000))
EXCHANGES: list[ExchangeName] = ["binance_spot", "binance_derivatives"]


def replay(exchange: ExchangeName, settings: ExchangeSettings = WHOLE_BOOKS) -> list[Action]:
    records = read_recording(RECORDINGS / f"{exchange}.jsonl.gz")
    return list(Replay([(VENUES[exchange], settings)]).run(records))


class Reader:
    """A user's book: starts from the first snapshot and applies every update."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[float, tuple[str, str]]] = {}
        self.last_update_id: int | None = None
        self.updates = self.snapshots = 0

    def read(self, message: OrderBook) -> None:
        levels = {"bids": message.bids, "asks": message.asks}
        if message.update_type == "update":
            assert message.prev_update_id == self.last_update_id
            self.updates += 1
            for side, changes in levels.items():
                for price, quantity in changes:
                    self.sides[side][float(price)] = (price, quantity)
                    if float(quantity) == 0:
                        del self.sides[side][float(price)]
        elif self.last_update_id is None:
            self.snapshots += 1
            for side, changes in levels.items():
                self.sides[side] = {float(price): (price, quantity) for price, quantity in changes}
        else:
            assert message.last_update_id == self.last_update_id
            assert list(message.bids) == self.best("bids", len(message.bids))
            assert list(message.asks) == self.best("asks", len(message.asks))
        self.last_update_id = message.last_update_id

    def best(self, side: str, depth: int) -> list[tuple[str, str]]:
        prices = sorted(self.sides[side], reverse=side == "bids")
        return [self.sides[side][price] for price in prices[:depth]]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_replay_ends_as_the_truth_says(exchange: ExchangeName) -> None:
    truth: dict[str, Any] = json.loads((RECORDINGS / "truth.json").read_text())[exchange]
    readers = {symbol: Reader() for symbol in truth}
    trades: Counter[str] = Counter()
    for action in replay(exchange):
        assert not isinstance(action, Gap)
        if isinstance(action, OrderBook):
            readers[action.instrument_id].read(action)
        elif isinstance(action, Trade):
            trades[action.instrument_id] += 1
    for symbol, expected in truth.items():
        reader = readers[symbol]
        del expected["updates_before_snapshot"]  # they leave no message
        assert {
            "snapshots": reader.snapshots,
            "updates_applied": reader.updates,
            "last_update_id": reader.last_update_id,
            "best_bid": list(reader.best("bids", 1)[0]),
            "best_ask": list(reader.best("asks", 1)[0]),
            "bid_levels": len(reader.sides["bids"]),
            "ask_levels": len(reader.sides["asks"]),
            "trades": trades[symbol],
        } == expected
