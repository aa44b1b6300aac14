"""Tops at intervals of exchange time, and levels in the unit of the instrument."""

import pytest

from mprism.feeds.book import OrderBook
from mprism.feeds.book_messages import BookMessages
from mprism.feeds.decimals import MalformedNumber
from mprism.feeds.instrument import Instrument
from mprism.schema import OrderBook as OrderBookEvent
from mprism.settings import OrderBookSettings

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND
SPOT = Instrument("okx_spot", "spot", "BTC-USDT", "BTC-USDT")
LINEAR = Instrument(
    "okx_derivatives",
    "perpetual",
    "BTC-USDT",
    "BTC-USDT-SWAP",
    contract_size="0.01",
    multiplier="0.01",
)
INVERSE = Instrument(
    "deribit_derivatives",
    "perpetual",
    "BTC-USD",
    "BTC-PERPETUAL",
    quantity_unit="contracts",
    contract_size="10",
    divisor="10",
)


def book_of(bids: str = "9:2 8:30", asks: str = "10:7") -> OrderBook:
    """A book of `price:quantity` levels."""
    book = OrderBook(10, kept=True)
    sides = [
        [(price, quantity) for price, _, quantity in (each.partition(":") for each in side.split())]
        for side in (bids, asks)
    ]
    book.reset(sides[0], sides[1], 10)
    return book


def messages(
    instrument: Instrument = SPOT, depth: int = 400, interval: float = 1.0
) -> BookMessages:
    return BookMessages(
        instrument, OrderBookSettings(depth=depth, snapshot_interval_seconds=interval)
    )


def best_of(event: OrderBookEvent) -> list[str | None]:
    return [
        event.best_bid_price,
        event.best_bid_quantity,
        event.best_ask_price,
        event.best_ask_quantity,
    ]


def test_a_top_is_due_at_the_first_event_of_each_interval() -> None:
    made = messages()
    assert made.is_due(START)
    made.top(book_of(), 1, START + 300 * MS, 0)
    assert not made.is_due(START + 999 * MS)
    # Intervals are those of the clock and do not begin with the last top.
    assert made.is_due(START + SECOND)
    made.top(book_of(), 2, START + 2_999 * MS, 0)
    assert not made.is_due(START + 2_000 * MS)
    assert made.is_due(START + 3_000 * MS)


def test_a_time_that_was_wrong_does_not_end_the_tops() -> None:
    made = messages()
    made.top(book_of(), 1, START + 3_600 * SECOND, 0)
    assert made.is_due(START)
    made.top(book_of(), 2, START, 0)
    # What is a little older is only late.
    assert not any(made.is_due(START - late * SECOND) for late in (1, 30, 60))


def test_the_interval_is_that_of_the_configuration() -> None:
    made = messages(interval=0.25)
    made.top(book_of(), 1, START, 0)
    assert [made.is_due(START + ms * MS) for ms in (249, 250)] == [False, True]


def test_a_time_that_goes_back_makes_no_top() -> None:
    made = messages()
    made.top(book_of(), 1, START, 0)
    assert not made.is_due(START - 5 * SECOND)


def test_a_book_that_hurries_is_due_at_once() -> None:
    made = messages()
    made.top(book_of(), 1, START, 0)
    made.hurry()
    assert made.is_due(START)
    made.top(book_of(), 1, START, 0)
    assert not made.is_due(START)


def test_a_top_says_all_of_the_book() -> None:
    made = messages()
    assert made.top_id == -1
    assert made.top(book_of(), 77, START + 123 * MS, 5) == OrderBookEvent(
        exchange="okx_spot",
        market_type="spot",
        symbol="BTC-USDT",
        instrument_id="BTC-USDT",
        timestamp="2023-11-14T22:13:20.123Z",
        ts_event=START + 123 * MS,
        ts_recv=5,
        update_type="snapshot",
        last_update_id=77,
        prev_update_id=None,
        bids=[("9", "2"), ("8", "30")],
        asks=[("10", "7")],
        best_bid_price="9",
        best_bid_quantity="2",
        best_ask_price="10",
        best_ask_quantity="7",
        depth_levels=2,
        quantity_unit="base",
        contract_size=None,
    )
    assert made.top_id == 77


def test_an_update_says_what_changed_and_what_is_best_after_it() -> None:
    made, book = messages(), book_of()
    levels = made.changed(book.apply([("9", "0")], [("9.5", "1"), ("10", "8.50")]))
    event = made.update(book, (76, 77), levels, START, 5)
    assert (event.update_type, event.prev_update_id, event.last_update_id) == ("update", 76, 77)
    assert event.bids == [("9", "0")]
    assert event.asks == [("9.5", "1"), ("10", "8.50")]
    assert event.depth_levels == 2
    assert best_of(event) == ["8", "30", "9.5", "1"]
    # Neither a top nor the time of the next one.
    assert made.top_id == -1
    assert made.is_due(START)


def test_a_top_has_as_many_levels_as_configured() -> None:
    event = messages(depth=1).top(book_of(asks=""), 1, START, 0)
    assert (event.bids, event.asks, event.depth_levels) == ([("9", "2")], [], 1)
    assert best_of(event) == ["9", "2", None, None]


@pytest.mark.parametrize(
    ("instrument", "bids", "unit", "size"),
    [
        (LINEAR, [("9", "0.02"), ("8", "0.30")], "base", "0.01"),
        (INVERSE, [("9", "0.2"), ("8", "3")], "contracts", "10"),
    ],
)
def test_quantities_are_in_the_unit_of_the_instrument(
    instrument: Instrument, bids: list[tuple[str, str]], unit: str, size: str
) -> None:
    made, book = messages(instrument), book_of()
    top = made.top(book, 1, START, 0)
    assert top.bids == bids
    assert (top.quantity_unit, top.contract_size) == (unit, size)
    assert [top.best_bid_price, top.best_bid_quantity] == list(bids[0])
    levels = made.changed(book.apply([("8", "0"), ("9", "30")], []))
    update = made.update(book, (1, 2), levels, START, 0)
    # Zero removes the level in every unit.
    assert [float(quantity) for _, quantity in update.bids] == [0.0, float(bids[1][1])]
    assert [price for price, _ in update.bids] == ["8", "9"]
    assert update.best_bid_quantity == bids[1][1]


def test_a_zero_that_is_scaled_is_still_a_plain_zero() -> None:
    for instrument in (LINEAR, INVERSE):
        made, book = messages(instrument), book_of()
        bids, _ = made.changed(book.apply([("8", "0"), ("9", "0.0")], []))
        assert all(float(quantity) == 0 and "E" not in quantity for _, quantity in bids)


def test_a_quantity_with_too_many_digits_is_malformed() -> None:
    made, book = messages(LINEAR), book_of(bids=f"9:{'1' * 41}")
    with pytest.raises(MalformedNumber):
        made.top(book, 1, START, 0)
