"""Deribit's books: what is published, and the forms that its levels have."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from mprism.feeds.deribit.levels import pairs
from mprism.feeds.levels import MalformedLevels
from mprism.feeds.protocol import BookState, Reject, Resubscribe
from mprism.schema import Levels, OrderBook
from tests.unit.deribit_payloads import (
    BTC_USDC,
    RECV_NS,
    TIME_MS,
    Socket,
    book_change,
    book_snapshot,
    raw,
)

BOOK = "book.BTC-PERPETUAL.100ms"
LINEAR = "book.BTC_USDC-PERPETUAL.100ms"


def test_a_book_begins_with_its_snapshot() -> None:
    live, message = Socket().push(BOOK, book_snapshot(136_069_961_946))
    assert live == BookState("BTC-USD", True, "in sequence")
    assert message == OrderBook(
        exchange="deribit_derivatives",
        market_type="perpetual",
        symbol="BTC-USD",
        instrument_id="BTC-PERPETUAL",
        timestamp="2026-09-23T03:24:00.638Z",
        ts_event=TIME_MS * 1_000_000,
        ts_recv=RECV_NS,
        update_type="snapshot",
        last_update_id=136_069_961_946,
        prev_update_id=None,
        bids=[("86744.5", "270"), ("86744.0", "220")],
        asks=[("86745.0", "5")],
        best_bid_price="86744.5",
        best_bid_quantity="270",
        best_ask_price="86745.0",
        best_ask_quantity="5",
        depth_levels=2,
        quantity_unit="contracts",
        contract_size="10",
    )


def test_a_change_is_published_as_an_update() -> None:
    socket = Socket()
    socket.push(BOOK, book_snapshot(100))
    (message,) = socket.push(BOOK, book_change(100, 250))
    assert message == OrderBook(
        exchange="deribit_derivatives",
        market_type="perpetual",
        symbol="BTC-USD",
        instrument_id="BTC-PERPETUAL",
        timestamp="2026-09-23T03:24:00.738Z",
        ts_event=(TIME_MS + 100) * 1_000_000,
        ts_recv=RECV_NS,
        update_type="update",
        last_update_id=250,
        prev_update_id=100,
        bids=[("86744.5", "123456.0")],
        asks=[("86745.0", "0"), ("86745.5", "3")],
        best_bid_price="86744.5",
        best_bid_quantity="123456.0",
        best_ask_price="86745.5",
        best_ask_quantity="3",
        depth_levels=2,
        quantity_unit="contracts",
        contract_size="10",
    )
    state = socket.states[BOOK]
    assert (state.messages, state.last_recv_ns) == (2, RECV_NS)
    assert socket.continuity.messages == 2


def test_linear_amounts_are_published_with_the_digits_as_sent() -> None:
    snapshot = book_snapshot(
        1,
        instrument_name="BTC_USDC-PERPETUAL",
        bids=raw('[["new",0.11374,1054.0],["new",1.1e-1,2.50e3]]'),
        asks=raw("[]"),
    )
    _, message = Socket(BTC_USDC).push(LINEAR, snapshot)
    assert isinstance(message, OrderBook)
    assert list(message.bids) == [("0.11374", "1054.0"), ("0.11", "2500")]
    assert (message.quantity_unit, message.contract_size) == ("base", "0.0001")
    assert (message.best_ask_price, message.best_ask_quantity) == (None, None)


@pytest.mark.parametrize("previous", [None, 0])
def test_a_message_that_follows_nothing_is_a_snapshot(previous: int | None) -> None:
    socket = Socket()
    socket.push(BOOK, book_snapshot(100))
    change = book_snapshot(90, type="change", prev_change_id=previous, timestamp=TIME_MS + 1)
    *_, message = socket.push(BOOK, change)
    assert isinstance(message, OrderBook)
    assert (message.update_type, message.last_update_id) == ("snapshot", 90)


def test_a_repeated_change_is_a_duplicate() -> None:
    socket = Socket()
    socket.push(BOOK, book_snapshot(100))
    socket.push(BOOK, book_change(100, 250))
    assert socket.push(BOOK, book_change(100, 250)) == []
    assert socket.continuity.duplicates == 1


@pytest.mark.parametrize(
    "levels",
    [
        '[["swap",1.0,2.0]]',
        "[[1.0,2.0]]",
        '[["1","2"]]',
        '[["new",1.0]]',
        '[["new",1.0,2.0],{}]',
        '[["new",-1.0,2.0]]',
        '[["new",0.0,2.0]]',
        '[["new",1.0,-2.0]]',
        '[["new",1.0,null]]',
        '[["new",1e99,2.0]]',
        '[["delete",[1],2.0]]',
        '[["delete",1.0,{}]]',
        '[["delete",1.0,-1.5]]',
        '{"new":1}',
        "7",
    ],
)
def test_a_book_with_malformed_levels_is_asked_for_anew(levels: str) -> None:
    socket = Socket()
    socket.push(BOOK, book_snapshot(100))
    reject, lost, again = socket.push(BOOK, book_change(100, 250, bids=raw(levels)))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed levels"
    assert isinstance(lost, BookState)
    assert not lost.live
    assert again == Resubscribe(BOOK, 0)


def test_a_book_whose_message_cannot_be_read_is_asked_for_anew() -> None:
    socket = Socket()
    socket.push(BOOK, book_snapshot(100))
    reject, lost, again = socket.push(BOOK, book_change(100, 250, timestamp=None))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed event"
    assert lost == BookState("BTC-USD", False, "a message could not be read")
    assert again == Resubscribe(BOOK, 0)
    assert socket.states[BOOK].messages == 1


def test_a_book_is_published_anew_on_demand() -> None:
    socket = Socket()
    assert list(socket.connection.republish("BTC-USD", RECV_NS)) == []
    socket.push(BOOK, book_snapshot(100))
    (message,) = socket.connection.republish("BTC-USD", RECV_NS + 1)
    assert isinstance(message, OrderBook)
    assert (message.update_type, message.ts_recv) == ("snapshot", RECV_NS + 1)
    assert list(socket.connection.republish("ETH-USD", RECV_NS)) == []


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ("[]", []),
        ("[ ]", []),
        ('[["new",1,2]]', [("1", "2")]),
        ('[ ["new", 1.50, 2e0], ["delete", 3, 7] ]', [("1.50", "2"), ("3", "0")]),
        ('[["delete",2.5,1.0e-3]]', [("2.5", "0")]),
        ('[["change",2.5,0.0],["delete",2.0,0]]', [("2.5", "0.0"), ("2.0", "0")]),
        ('[["change",1e-05,1.2345E+2]]', [("0.00001", "123.45")]),
    ],
)
def test_levels_become_pairs_of_strings(levels: str, expected: list[tuple[str, str]]) -> None:
    assert list(Levels(bytes(pairs(Raw(levels.encode()))))) == expected


_NUMBERS = st.one_of(
    st.integers(0, 10**9).map(str),
    st.floats(1e-9, 1e12).map(repr),
    st.decimals(0, 10**6, places=4).map(lambda number: format(number, "e")),
)


@given(st.lists(st.tuples(st.sampled_from(["new", "change", "delete"]), _NUMBERS, _NUMBERS)))
def test_no_digit_of_a_level_is_lost(levels: list[tuple[str, str, str]]) -> None:
    text = (
        "[" + ",".join(f'["{action}",{price},{amount}]' for action, price, amount in levels) + "]"
    )
    found = list(Levels(bytes(pairs(Raw(text.encode())))))
    expected = [
        (Decimal(price), Decimal(0 if action == "delete" else amount))
        for action, price, amount in levels
    ]
    assert [(Decimal(price), Decimal(quantity)) for price, quantity in found] == expected
    assert not any("e" in price.lower() + quantity.lower() for price, quantity in found)


@given(st.binary())
def test_any_other_bytes_are_malformed_or_levels(text: bytes) -> None:
    with suppress(MalformedLevels):
        pairs(Raw(text))
