"""A recorded session of OKX, spot and derivatives in one, ends as its truth says.

Its books are of before ids: their checksums prove them. The recording is not part of the
project: the test reads it beside it and skips without.
"""

import json
from collections import Counter
from typing import Any

import pytest

from mprism.feeds.protocol import NOT_SUBSCRIBED, Action, BookState, Gap, Reject
from mprism.feeds.registry import VENUES
from mprism.recording import read_recording
from mprism.replay import Replay
from mprism.schema import OrderBook, Trade
from mprism.settings import ExchangeName, ExchangeSettings
from tests.recorded.test_binance_replay import RECORDINGS, Reader

RECORDING = RECORDINGS / "okx.jsonl.gz"
pytestmark = pytest.mark.skipif(not RECORDING.exists(), reason=f"no recording {RECORDING}")
NAMES: list[ExchangeName] = ["okx_spot", "okx_derivatives"]


def replay(*names: ExchangeName) -> list[Action]:
    venues = [(VENUES[name], ExchangeSettings()) for name in names]
    return list(Replay(venues).run(read_recording(RECORDING)))


def test_replay_ends_as_the_truth_says() -> None:
    truth: dict[str, Any] = json.loads((RECORDINGS / "truth.json").read_text())["okx"]
    readers = {name: Reader() for name in truth}
    trades: Counter[str] = Counter()
    for action in replay(*NAMES):
        assert not isinstance(action, Gap)
        if isinstance(action, OrderBook):
            readers[action.instrument_id].read(action)
        elif isinstance(action, Trade):
            trades[action.instrument_id] += 1
    for name, expected in truth.items():
        reader = readers[name]
        assert {
            "snapshots": reader.snapshots,
            "updates_applied": reader.updates,
            "best_bid": list(reader.best("bids", 1)[0]),
            "best_ask": list(reader.best("asks", 1)[0]),
            "bid_levels": len(reader.sides["bids"]),
            "ask_levels": len(reader.sides["asks"]),
            "trades": trades[name],
        } == expected


def test_nothing_but_what_is_not_collected_is_refused() -> None:
    refused = [action for action in replay(*NAMES) if isinstance(action, Reject)]
    assert {reject.reason for reject in refused} == {NOT_SUBSCRIBED}
    assert {reject.detail.split(":")[0].split("'")[-1] for reject in refused} == {"tickers"}


@pytest.mark.parametrize(
    ("name", "instruments"),
    [("okx_spot", {"BTC-USDT"}), ("okx_derivatives", {"BTC-USD-220527", "UNI-USD-SWAP"})],
)
def test_each_exchange_alone(name: ExchangeName, instruments: set[str]) -> None:
    actions = replay(name)
    events = [action for action in actions if isinstance(action, OrderBook | Trade)]
    assert {event.instrument_id for event in events} == instruments
    assert {event.exchange for event in events} == {name}
    books = [action for action in actions if isinstance(action, BookState)]
    assert [state.live for state in books] == [True] * len(instruments)


def test_a_lost_update_is_noticed() -> None:
    """The checksum of the next one tells, and the book is given up."""
    records = list(read_recording(RECORDING))
    updates = [
        number
        for number, record in enumerate(records)
        if '"update"' in getattr(record, "frame", "") and "BTC-USD-220527" in record.frame  # type: ignore[union-attr]
    ]
    assert len(updates) == 98
    del records[updates[40]]
    actions = Replay([(VENUES["okx_derivatives"], ExchangeSettings())]).run(records)
    states = [a for a in actions if isinstance(a, BookState) and a.symbol.startswith("BTC")]
    assert [state.reason for state in states] == ["in sequence", "the checksum is another"]
