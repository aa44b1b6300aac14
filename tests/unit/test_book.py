"""A book against a plain model, behind an exchange that keeps only a window of it true."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mprism.feeds.book import OrderBook, Side
from mprism.feeds.levels import MalformedLevels, is_amount, level_of, parse_levels
from mprism.schema import Level

Levels = dict[Decimal, Level]


def best_first(levels: Levels, is_bid: bool) -> list[Level]:
    return [levels[price] for price in sorted(levels, reverse=is_bid)]


class TrueSide:
    """One side as the exchange has it, which tells of changes inside its window alone.

    Nothing tells that a level leaves the window, nor that it comes back.
    """

    def __init__(self, is_bid: bool, window: int) -> None:
        self.is_bid = is_bid
        self.window = window
        self.levels: Levels = {}

    def change(self, changes: Sequence[Level]) -> list[Level]:
        """Change the side, and say what the exchange's update holds of it."""
        touched = {Decimal(price): (price, quantity) for price, quantity in changes}
        before = {price: self._rank(price) for price in touched}
        for price, level in touched.items():
            self.levels.pop(price, None)
            if Decimal(level[1]):
                self.levels[price] = level
        return [
            level
            for price, level in touched.items()
            if min(before[price], self._rank(price)) < self.window
        ]

    def _rank(self, price: Decimal) -> int:
        return sum(other > price if self.is_bid else other < price for other in self.levels)

    def best(self, depth: int) -> list[Level]:
        return best_first(self.levels, self.is_bid)[:depth]


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """A price above zero with up to 12 significant digits, in any of its spellings."""
    digits = str(draw(st.integers(1, 10**12 - 1)))
    places = draw(st.integers(0, 14))
    if not places:
        return digits
    digits = digits.rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


class Step(NamedTuple):
    """The side changes, and then perhaps a snapshot replaces the book."""

    changes: list[Level]
    snapshot: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    # Few prices, so that they come, go and come back.
    prices = draw(st.lists(decimals(), min_size=4, max_size=8, unique_by=Decimal))
    level = st.tuples(st.sampled_from(prices), st.sampled_from(["0.00000000", "0", "1.5", "20"]))
    levels = st.lists(level, max_size=3)
    steps = st.builds(Step, levels, st.sampled_from([False] * 7 + [True]))
    return [
        Step(draw(st.lists(level, max_size=8)), True),
        *draw(st.lists(steps, min_size=5, max_size=30)),
    ]


@given(histories(), st.integers(1, 5), st.integers(1, 5), st.booleans())
@settings(max_examples=200)
def test_what_is_trusted_is_what_the_exchange_has(
    history: list[Step], window: int, limit: int, is_bid: bool
) -> None:
    limit = min(limit, window)
    truth = TrueSide(is_bid, window)
    side = Side(-1.0 if is_bid else 1.0, window, kept=False)
    for step in history:
        update = truth.change(step.changes)
        if step.snapshot:
            side.reset(parse_levels(truth.best(limit)), limit)
        else:
            side.apply(parse_levels(update))
        check_side(side, truth, fresh=step.snapshot, limit=limit)


def check_side(side: Side, true_side: TrueSide, *, fresh: bool, limit: int) -> None:
    for depth in range(14):
        top = side.top(depth)
        # Sorted, best first, each level as the exchange wrote it last, and none missing.
        assert top == true_side.best(len(top))
        assert len(top) == min(depth, side.trusted())
    assert side.best == (true_side.best(1)[0] if side.trusted() else None)
    assert len(side) <= true_side.window * 5 / 4
    if side.complete:
        assert side.top(100) == true_side.best(100)
    if fresh:
        assert side.trusted() == min(limit, len(true_side.levels))


@given(st.lists(st.tuples(decimals(), decimals()), max_size=20), st.booleans())
def test_any_decimals_are_ordered_as_decimals(levels: list[Level], is_bid: bool) -> None:
    side = Side(-1.0 if is_bid else 1.0, 100, kept=False)
    side.apply(parse_levels(levels))
    model = {Decimal(price): (price, quantity) for price, quantity in levels}
    assert side.top(100) == best_first(model, is_bid)


def ask_side(prices: str, *, limit: int = 100, window: int = 100) -> Side:
    side = Side(1.0, window, kept=False)
    side.reset(parse_levels([(price, "1") for price in prices.split()]), limit)
    return side


def prices_of(levels: Sequence[Level]) -> str:
    return " ".join(price for price, _ in levels)


def test_an_empty_book_has_no_best() -> None:
    book = OrderBook(10)
    assert book.bids.best is None
    assert book.asks.best is None
    assert book.asks.top(5) == []
    assert len(book.bids) == 0
    assert book.reaches(5)


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00000000", ".0"])
def test_quantity_zero_removes_known_and_unknown_levels(zero: str) -> None:
    side = ask_side("1 2 3")
    side.apply(parse_levels([("2.00", zero), ("7", zero)]))
    assert prices_of(side.top(10)) == "1 3"
    assert len(side) == 2


def test_a_price_is_one_level_however_it_is_written() -> None:
    side = ask_side("0.10")
    side.apply(parse_levels([("0.1", "5")]))
    assert side.top(10) == [("0.1", "5")]


def test_a_full_snapshot_ends_at_an_edge_and_a_shorter_one_is_the_whole_side() -> None:
    cut, whole = ask_side("1 2 3", limit=3), ask_side("1 2 3", limit=4)
    assert not cut.complete
    assert whole.complete
    for side in (cut, whole):
        side.apply(parse_levels([("4", "1"), ("2.5", "1")]))
    assert prices_of(cut.top(10)) == "1 2 2.5 3"
    assert prices_of(whole.top(10)) == "1 2 2.5 3 4"


def test_the_edge_stays_where_it_is_when_its_level_goes() -> None:
    side = ask_side("1 2 3", limit=3)
    side.apply(parse_levels([("3", "0"), ("4", "1")]))
    assert prices_of(side.top(10)) == "1 2"
    side.apply(parse_levels([("2.9", "1")]))
    assert prices_of(side.top(10)) == "1 2 2.9"


def test_a_level_that_left_the_window_never_comes_back() -> None:
    side = ask_side("3 4", limit=5, window=3)
    # 4 is pushed out: what happens to it now, nobody tells.
    side.apply(parse_levels([("1", "1"), ("2", "1")]))
    side.apply(parse_levels([("1", "0"), ("2", "0")]))
    assert prices_of(side.top(10)) == "3"
    side.apply(parse_levels([("3", "0")]))
    assert side.best is None
    assert side.trusted() == 0


def test_a_full_window_has_an_edge_although_every_level_is_known() -> None:
    side = ask_side("1 2", limit=5, window=3)
    side.apply(parse_levels([("3", "1")]))
    # A fourth level would be outside the window, and its coming untold.
    side.apply(parse_levels([("1", "0"), ("5", "1")]))
    assert not side.complete
    assert prices_of(side.top(10)) == "2 3"


def test_levels_behind_the_edge_are_cut_when_many_have_gathered() -> None:
    side = ask_side("100", limit=200, window=8)
    for price in range(99, 89, -1):
        side.apply(parse_levels([(str(price), "1")]))
    assert len(side) <= 10
    side.apply(parse_levels([("89", "1")]))
    assert prices_of(side.top(100)) == "89 90 91 92 93 94 95 96"


def test_a_snapshot_makes_the_side_true_again() -> None:
    side = ask_side("1 2 3", limit=3)
    side.reset(parse_levels([("8", "1"), ("9", "0"), ("7", "1")]), 1_000)
    assert side.complete
    assert prices_of(side.top(10)) == "7 8"


def test_a_snapshot_longer_than_the_window_is_trusted_inside_it() -> None:
    side = ask_side("1 2 3 4 5 6 7 8", limit=20, window=4)
    assert prices_of(side.top(10)) == "1 2 3 4"
    assert len(side) == 4
    assert not side.complete


def test_reaching_a_depth_takes_both_sides() -> None:
    book = OrderBook(100)
    book.reset([("9", "1"), ("8", "1")], [("10", "1")], 2)
    assert book.reaches(2)  # one ask is all that there are
    book.apply([("9", "0")], [])
    assert not book.reaches(2)
    assert book.reaches(1)


MALFORMED: list[Level] = [
    ("", "1"),
    ("1", ""),
    ("-1", "1"),
    ("1", "-1"),
    ("+1", "1"),
    ("0", "1"),
    ("0.000", "1"),
    ("1", "NaN"),
    ("NaN", "1"),
    ("Infinity", "1"),
    ("1", "inf"),
    ("1e5", "1"),
    ("1", "1E-5"),
    ("1_000", "1"),
    ("1,5", "1"),
    (" 1", "1"),
    ("1", "1\n"),
    ("1.2.3", "1"),
    ("1", "1.2.3"),
    (".", "1"),
    ("1", "."),
    ("0x10", "1"),
    ("\u0661", "1"),  # an Arabic digit, which float() takes
    ("\U0001d7cf", "1"),
    ("null", "1"),
]


@pytest.mark.parametrize("bad", MALFORMED)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("is_bid", [True, False])
def test_malformed_levels_leave_the_book_untouched(bad: Level, place: int, is_bid: bool) -> None:
    book = OrderBook(10)
    book.reset([("9", "1"), ("8", "2")], [("10", "1"), ("11", "2")], 2)
    good: list[Level] = [("9", "0"), ("10.5", "7")]
    levels = [*good[:place], bad, *good[place:]]
    bids, asks = (levels, good) if is_bid else (good, levels)
    with pytest.raises(MalformedLevels) as in_update:
        book.apply(bids, asks)
    with pytest.raises(MalformedLevels) as in_snapshot:
        book.reset(bids, asks, 100)
    assert repr(bad) in str(in_update.value)
    assert repr(bad) in str(in_snapshot.value)
    assert book.bids.top(10) == [("9", "1"), ("8", "2")]
    assert book.asks.top(10) == [("10", "1"), ("11", "2")]
    assert not book.asks.complete


@given(st.lists(st.tuples(st.text(), st.text())))
def test_any_text_is_levels_or_refused(levels: list[Level]) -> None:
    try:
        changes = parse_levels(levels)
    except MalformedLevels:
        return
    for ((price, quantity), text), level in zip(changes, levels, strict=True):
        assert (price, quantity) == (float(level[0]), float(level[1]))
        assert level_of(text) == level
        assert price > 0
        assert quantity >= 0


@pytest.mark.parametrize("bad", [*(bad for bad, _ in MALFORMED if bad != "1"), "1." + "0" * 39])
def test_no_amount(bad: str) -> None:
    assert not is_amount(bad)


@pytest.mark.parametrize("good", ["1", "0.1", ".5", "5.", "27785.10", "0.00000001", "9" * 30])
def test_amount(good: str) -> None:
    assert is_amount(good)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_no_levels_change_nothing(depth: int) -> None:
    book = OrderBook(10)
    book.reset([("9", "1")], [("10", "1")], 5)
    book.apply([], [])
    assert book.bids.top(depth) == [("9", "1")][:depth]
    assert book.asks.top(depth) == [("10", "1")][:depth]
