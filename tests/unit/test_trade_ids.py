"""Trades are followed by their ids over all connections of a feed."""

import pytest

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity, Gap, Reject
from mprism.feeds.trade_ids import follow_trade

BTC = Instrument("okx_spot", "spot", "BTC-USDT", "BTC-USDT")
ETH = Instrument("okx_spot", "spot", "ETH-USDT", "ETH-USDT")


class Trades:
    """What became of trades: what is new, and what was told beside it."""

    def __init__(self) -> None:
        self.continuity = Continuity()

    def follow(
        self, first: int, last: int | None = None, time: int = 1_000, instrument: Instrument = BTC
    ) -> tuple[bool, list[str]]:
        is_new, actions = follow_trade(
            self.continuity, instrument, first, first if last is None else last, time
        )
        return is_new, [_told(action) for action in actions]


def _told(action: object) -> str:
    match action:
        case Gap():
            return f"{action.data_type} of {action.symbol}: {action.first_id}-{action.last_id}"
        case Reject():
            return f"{action.reason} ({action.detail})"
    raise AssertionError(action)


def test_the_first_trade_is_new_whatever_its_id() -> None:
    assert Trades().follow(7) == (True, [])


@pytest.mark.parametrize(
    ("first", "last", "missing"),
    [
        (11, 11, []),
        (11, 14, []),
        (12, 12, ["trade of BTC-USDT: 11-11"]),
        (20, 25, ["trade of BTC-USDT: 11-19"]),
        # An aggregate of which one part is known and another is not.
        (9, 12, []),
    ],
)
def test_what_lies_between_two_trades_is_missing(first: int, last: int, missing: list[str]) -> None:
    trades = Trades()
    trades.follow(10)
    assert trades.follow(first, last) == (True, missing)
    assert trades.follow(last + 1) == (True, [])
    assert trades.continuity.duplicates == 0


@pytest.mark.parametrize(("first", "last"), [(10, 10), (9, 10), (3, 3), (1, 9)])
@pytest.mark.parametrize("time", [1_000, 999])
def test_a_trade_that_was_seen_is_a_duplicate(first: int, last: int, time: int) -> None:
    trades = Trades()
    trades.follow(10)
    assert trades.follow(first, last, time) == (False, [])
    assert trades.continuity.duplicates == 1
    assert trades.follow(11) == (True, [])


def test_ids_that_begin_anew_are_followed_from_there() -> None:
    trades = Trades()
    trades.follow(10)
    went_back = "trade ids went back (BTC-USDT: 10, 3)"
    assert trades.follow(3, time=1_001) == (True, [went_back])
    assert trades.follow(4, time=1_001) == (True, [])
    assert trades.follow(6, time=1_001) == (True, ["trade of BTC-USDT: 5-5"])
    assert trades.continuity.duplicates == 0


def test_each_instrument_counts_for_itself() -> None:
    trades = Trades()
    trades.follow(10)
    assert trades.follow(3, instrument=ETH) == (True, [])
    assert trades.follow(11) == (True, [])
    assert trades.follow(5, instrument=ETH) == (True, ["trade of ETH-USDT: 4-4"])
