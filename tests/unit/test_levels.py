"""Levels that stay text behave like the levels they are."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.levels import MalformedLevels, level_of, parse_levels
from mprism.schema import Level, Levels, MessageEncoder, OrderBook, decode

TWO = [("1.50", "2"), ("1.40", "0")]
TEXT = b'[["1.50","2"],["1.40","0"]]'
AMOUNTS = st.from_regex(r"[1-9][0-9]{0,6}(\.[0-9]{1,6})?", fullmatch=True)
LEVELS = st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=30)


def book(bids: Levels | list[Level], asks: Levels | list[Level]) -> OrderBook:
    return OrderBook(
        exchange="e",
        market_type="spot",
        symbol="A-B",
        instrument_id="AB",
        timestamp="",
        ts_event=1,
        ts_recv=1,
        update_type="update",
        last_update_id=1,
        prev_update_id=0,
        bids=bids,
        asks=asks,
        best_bid_price=None,
        best_bid_quantity=None,
        best_ask_price=None,
        best_ask_quantity=None,
        depth_levels=1,
        quantity_unit="base",
        contract_size=None,
    )


@given(LEVELS)
def test_text_is_equal_to_its_levels(levels: list[Level]) -> None:
    text = Levels(msgspec.json.encode(levels))
    assert text == levels
    assert list(text) == levels
    assert len(text) == len(levels)
    assert repr(text) == repr(levels)
    assert text != [*levels, ("1", "1")]


def test_text_is_looked_into_like_a_list() -> None:
    levels = Levels(TEXT)
    assert levels[1] == ("1.40", "0")
    assert levels[:1] == [("1.50", "2")]
    assert ("1.50", "2") in levels
    assert levels == Levels(TEXT.replace(b",[", b", ["))
    assert levels != 5


@given(LEVELS)
def test_what_is_taken_apart_and_joined_is_the_same(levels: list[Level]) -> None:
    changes = parse_levels(msgspec.Raw(msgspec.json.encode(levels)))
    assert [numbers for numbers, _ in changes] == [
        (float(price), float(quantity)) for price, quantity in levels
    ]
    assert [level_of(text) for _, text in changes] == levels
    joined = Levels.joined([text for _, text in changes])
    assert joined == levels
    assert len(joined) == len(levels)


@given(LEVELS)
def test_a_message_has_the_same_bytes_either_way(levels: list[Level]) -> None:
    encode = MessageEncoder().encode
    text = Levels(msgspec.json.encode(levels))
    message = encode(book(text, text))
    assert message == encode(book(levels, levels))
    stored = decode(message.payload)
    assert isinstance(stored, OrderBook)
    assert stored.bids == levels


def test_nothing_else_gets_into_a_message() -> None:
    with pytest.raises(NotImplementedError, match="object is no part of a message"):
        MessageEncoder().encode(book(object(), []))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        b'[["1.50","2"],["1.40","0"]]',
        b'[["1.50","2"], ["1.40","0"]]',
        b'[ [ "1.50" , "2" ],\n["1.40","0"] ]',
        b'[["1.5\\u0030","2"],["1.40","0"]]',
    ],
)
def test_levels_are_read_however_their_json_is_written(text: bytes) -> None:
    changes = parse_levels(msgspec.Raw(text))
    assert changes == [((1.5, 2.0), b'"1.50","2"'), ((1.4, 0.0), b'"1.40","0"')]


@pytest.mark.parametrize(
    "text",
    [
        b"[[1.5,2]]",
        b'[[1.5,"2"]]',
        b'[["1.5",2]]',
        b'[["1","2","3"]]',
        b'[["1"]]',
        b'[["1","2"]',
        b'["1","2"]',
        b'[["1,2","3"]]',
        b'[["[1","2"]]',
        b'[["1","2],["]]',
        b'[["\xff","1"]]',
        b'{"1":"2"}',
        b"null",
        b"[" * 100_000,
        b'[["1","%b"]]' % (b"9" * 400),
        b'[["0.%b1","1"]]' % (b"0" * 400),
        '[["٣","1"]]'.encode(),
    ],
)
def test_nothing_else_is_levels(text: bytes) -> None:
    with pytest.raises(MalformedLevels):
        parse_levels(msgspec.Raw(text))
