"""A book whose window the exchange keeps by updates alone, as OKX and Deribit do."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.book import OrderBook, Side
from mprism.feeds.levels import parse_levels
from mprism.schema import Level

WINDOW = 4


class KeptSide:
    """The asks of an exchange that tells of a level that comes into its window or leaves it."""

    def __init__(self) -> None:
        self._levels: dict[Decimal, Level] = {}

    def view(self) -> list[Level]:
        return [self._levels[price] for price in sorted(self._levels)][:WINDOW]

    def change(self, changes: list[Level]) -> list[Level]:
        """Change the side, and say what the exchange's update holds of it."""
        before = {Decimal(price): (price, quantity) for price, quantity in self.view()}
        for price, quantity in changes:
            self._levels.pop(Decimal(price), None)
            if Decimal(quantity):
                self._levels[Decimal(price)] = price, quantity
        after = {Decimal(price): (price, quantity) for price, quantity in self.view()}
        come = [level for price, level in after.items() if before.get(price) != level]
        left = [(level[0], "0") for price, level in before.items() if price not in after]
        return come + left


LEVELS = st.tuples(
    st.sampled_from(["1", "2.5", "3", "4", "5.25", "6", "7", "8"]),
    st.sampled_from(["0", "0.00", "1.5", "20"]),
)


@given(
    st.lists(LEVELS, max_size=8), st.lists(st.lists(LEVELS, max_size=4), max_size=20), st.booleans()
)
def test_a_kept_side_is_always_the_whole_window(
    beginning: list[Level], steps: list[list[Level]], is_removed_first: bool
) -> None:
    truth, side = KeptSide(), Side(1.0, WINDOW, kept=True)
    truth.change(beginning)
    side.reset(parse_levels(truth.view()), WINDOW)
    for step in steps:
        update = truth.change(step)
        side.apply(parse_levels(update[::-1] if is_removed_first else update))
        assert side.top(WINDOW) == truth.view()
        assert side.complete
        assert side.trusted() == len(side) <= WINDOW * 5 / 4
        assert side.best == next(iter(truth.view()), None)


def test_a_full_snapshot_of_a_kept_book_has_no_edge() -> None:
    levels = [(str(price), "1") for price in range(1, WINDOW + 1)]
    for is_kept in (True, False):
        book = OrderBook(WINDOW, kept=is_kept)
        book.reset(levels, levels, WINDOW)
        assert book.asks.complete is is_kept
        # The exchange removes one level, and tells which one comes behind the others.
        book.apply([], [("1", "0"), ("7", "2")])
        prices = [price for price, _ in book.asks.top(10)]
        assert prices == (["2", "3", "4", "7"] if is_kept else ["2", "3", "4"])
        assert book.reaches(WINDOW) is is_kept


def test_levels_behind_the_window_are_cut_in_a_kept_book_too() -> None:
    """An exchange that forgets to remove what leaves must not fill the memory."""
    side = Side(-1.0, 8, kept=True)
    for price in range(1, 100):
        side.apply(parse_levels([(str(price), "1")]))
        assert len(side) <= 10
    assert side.best == ("99", "1")
