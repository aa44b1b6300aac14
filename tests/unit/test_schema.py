"""What is stored is what `docs/contract.md` says: JSON, subjects, message ids, times."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.schema import (
    DATA_TYPES,
    STREAM_SUBJECTS,
    Event,
    MessageEncoder,
    OrderBook,
    Trade,
    decode,
    rfc3339,
    subject_of,
    symbol_of,
    token_of,
)

TS_EVENT = 1_795_334_400_123_000_000
TS_RECV = 1_795_334_400_150_123_456

COMMON = {
    "schema_version": 1,
    "exchange": "binance_spot",
    "market_type": "spot",
    "symbol": "BTC-USDT",
    "instrument_id": "BTCUSDT",
    "timestamp": "2026-11-22T08:00:00.123Z",
    "ts_event": TS_EVENT,
    "ts_recv": TS_RECV,
    "quantity_unit": "base",
    "contract_size": None,
}
TRADE = COMMON | {
    "data_type": "trade",
    "trade_id": "12345",
    "price": "27785.10",
    "quantity": "0.01400000",
    "side": "sell",
    "is_maker": True,
    "first_trade_id": None,
    "last_trade_id": None,
    "backfilled": False,
}
ORDERBOOK = COMMON | {
    "data_type": "orderbook",
    "update_type": "snapshot",
    "last_update_id": 160,
    "prev_update_id": None,
    "bids": [["100.00", "1.50000000"], ["99.00", "2"]],
    "asks": [],
    "best_bid_price": "100.00",
    "best_bid_quantity": "1.50000000",
    "best_ask_price": None,
    "best_ask_quantity": None,
    "depth_levels": 2,
}


def a_trade(**changes: Any) -> Trade:
    fields: dict[str, Any] = {key: value for key, value in TRADE.items() if key != "data_type"}
    return Trade(**(fields | changes))


def a_book(**changes: Any) -> OrderBook:
    fields: dict[str, Any] = {key: value for key, value in ORDERBOOK.items() if key != "data_type"}
    return OrderBook(**(fields | changes))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (a_trade(), TRADE),
        (
            a_trade(first_trade_id="7", last_trade_id="9", contract_size="100", is_maker=False),
            TRADE
            | {
                "first_trade_id": "7",
                "last_trade_id": "9",
                "contract_size": "100",
                "is_maker": False,
            },
        ),
        (a_book(), ORDERBOOK),
        (
            a_book(update_type="update", prev_update_id=159, bids=[("1", "0")], depth_levels=1),
            ORDERBOOK
            | {
                "update_type": "update",
                "prev_update_id": 159,
                "bids": [["1", "0"]],
                "depth_levels": 1,
            },
        ),
    ],
)
def test_payload_has_exactly_the_fields_of_the_contract(
    event: Trade | OrderBook, expected: dict[str, Any]
) -> None:
    payload = MessageEncoder().encode(event).payload
    assert json.loads(payload) == expected
    assert MessageEncoder().encode(decode(payload)).payload == payload


@pytest.mark.parametrize(
    ("event", "message_id", "subject"),
    [
        (
            a_trade(),
            "binance_spot:spot:BTC-USDT:trade:12345",
            "trade-data.binance_spot.spot.BTC-USDT",
        ),
        (
            a_book(),
            "binance_spot:spot:BTC-USDT:orderbook:s160",
            "orderbook-data.binance_spot.spot.BTC-USDT",
        ),
        (
            a_book(update_type="update", exchange="binance_derivatives", market_type="perpetual"),
            "binance_derivatives:perpetual:BTC-USDT:orderbook:u160",
            "orderbook-data.binance_derivatives.perpetual.BTC-USDT",
        ),
        (
            a_trade(symbol="测试.A-USDT"),
            "binance_spot:spot:%E6%B5%8B%E8%AF%95%2EA-USDT:trade:12345",
            "trade-data.binance_spot.spot.%E6%B5%8B%E8%AF%95%2EA-USDT",
        ),
    ],
)
def test_message_id_and_subject(event: Event, message_id: str, subject: str) -> None:
    message = MessageEncoder().encode(event)
    assert message.message_id == message_id
    assert message.route.subject == subject
    assert message.ts_recv == TS_RECV


def test_route_describes_its_subject_and_is_made_once() -> None:
    encoder = MessageEncoder()
    routes = [encoder.encode(a_trade(trade_id=str(n))).route for n in range(3)]
    assert routes[0] == (
        "trade",
        "binance_spot",
        "spot",
        "BTC-USDT",
        "trade-data.binance_spot.spot.BTC-USDT",
        "binance_spot:spot:BTC-USDT:trade:",
    )
    assert routes[0] is routes[1] is routes[2]
    # The same instrument's book goes elsewhere.
    assert encoder.encode(a_book()).route is not routes[0]


def test_message_ids_do_not_depend_on_who_received() -> None:
    one, other = (
        MessageEncoder().encode(a_trade(ts_recv=recv)).message_id for recv in (1, TS_RECV)
    )
    assert one == other


@pytest.mark.parametrize(
    ("data_type", "subject"),
    [
        ("orderbook", "orderbook-data.okx_spot.spot.BTC-USDT"),
        ("trade", "trade-data.okx_spot.spot.BTC-USDT"),
        ("funding_rate", "funding-rate-data.okx_spot.spot.BTC-USDT"),
        ("open_interest", "open-interest-data.okx_spot.spot.BTC-USDT"),
        ("liquidation", "liquidation-data.okx_spot.spot.BTC-USDT"),
        ("lsr_top_position", "lsr-data.okx_spot.spot.top-position.BTC-USDT"),
        ("lsr_all_account", "lsr-data.okx_spot.spot.all-account.BTC-USDT"),
        ("volatility_index", "volatility-index-data.okx_spot.spot.BTC-USDT"),
    ],
)
def test_subjects_of_all_data_types(data_type: str, subject: str) -> None:
    assert subject_of(data_type, "okx_spot", "spot", "BTC-USDT") == subject
    assert data_type in DATA_TYPES
    assert subject.split(".")[0] + ".>" in STREAM_SUBJECTS


def test_stream_holds_seven_prefixes() -> None:
    assert len(DATA_TYPES) == 8
    assert STREAM_SUBJECTS == (
        "orderbook-data.>",
        "trade-data.>",
        "funding-rate-data.>",
        "open-interest-data.>",
        "liquidation-data.>",
        "lsr-data.>",
        "volatility-index-data.>",
    )


@given(st.text(min_size=1))
def test_any_symbol_becomes_one_legal_subject_token_and_back(symbol: str) -> None:
    token = token_of(symbol)
    # What NATS forbids in a token: dots, wildcards, blanks, controls; and an id is ASCII.
    assert re.fullmatch(r"[A-Za-z0-9_%-]+", token)
    assert symbol_of(token) == symbol


@given(st.text(), st.text())
def test_different_symbols_have_different_tokens(one: str, other: str) -> None:
    assert (token_of(one) == token_of(other)) == (one == other)


def test_plain_symbols_stay_readable() -> None:
    assert token_of("BTC-USD-261225") == "BTC-USD-261225"
    assert token_of("A.B~C*>") == "A%2EB%7EC%2A%3E"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (TS_EVENT, "2026-11-22T08:00:00.123Z"),
        (TS_EVENT + 456_000, "2026-11-22T08:00:00.123456Z"),
        (TS_EVENT + 456_789, "2026-11-22T08:00:00.123456789Z"),
        (TS_EVENT + 1, "2026-11-22T08:00:00.123000001Z"),
        (1_000_000, "1970-01-01T00:00:00.001Z"),
        (1_000, "1970-01-01T00:00:00.000001Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_times_have_as_many_digits_as_they_need(ns: int, text: str) -> None:
    assert rfc3339(ns) == text


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'{"data_type":"kline"}',
        b'{"data_type":"trade"}',
        json.dumps(TRADE | {"side": "both"}).encode(),
        json.dumps(ORDERBOOK | {"bids": [["1"]]}).encode(),
    ],
)
def test_decoding_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(payload)


def test_an_event_without_a_kind_has_no_key() -> None:
    fields = {name: COMMON[name] for name in Event.__struct_fields__}
    with pytest.raises(NotImplementedError):
        Event(**fields).key()  # type: ignore[arg-type]
