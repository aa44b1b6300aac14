"""Funding, open interest, liquidations, ratios and volatility are stored as the contract says."""

import json
from typing import Any

import msgspec
import pytest

from mprism.schema import DATA_TYPES, Event, MessageEncoder, decode
from tests.unit.events import (
    TS_EVENT,
    TS_RECV,
    all_account_ratio,
    funding_rate,
    liquidation,
    open_interest,
    top_position_ratio,
    volatility_candle,
    volatility_index,
)

COMMON = {
    "schema_version": 1,
    "exchange": "okx_derivatives",
    "market_type": "perpetual",
    "symbol": "BTC-USDT",
    "instrument_id": "BTC-USDT-SWAP",
    "timestamp": "2026-11-22T08:00:00.123Z",
    "ts_event": TS_EVENT,
    "ts_recv": TS_RECV,
}
FUNDING_RATE = COMMON | {
    "data_type": "funding_rate",
    "current_funding_rate": "0.00010000",
    "estimated_funding_rate": "-0.0000125",
    "funding_time": "2026-11-22T00:00:00.000Z",
    "next_funding_time": "2026-11-22T16:00:00.000Z",
    "funding_interval_hours": 8,
    "mark_price": "27785.1",
    "index_price": "27784.6",
    "premium_index": "0.5",
}
OPEN_INTEREST = COMMON | {
    "data_type": "open_interest",
    "open_interest": "2520.5",
    "open_interest_contracts": "252050",
    "open_interest_value": "70032344.55",
    "open_interest_usd": "70032344.5",
    "quantity_unit": "base",
    "contract_size": "0.01",
    "mark_price": "27785.1",
}
LIQUIDATION = COMMON | {
    "data_type": "liquidation",
    "liquidation_id": "1795334400123-sell-27000.5-1.2-0",
    "side": "sell",
    "position_side": "long",
    "price": "27000.5",
    "average_price": "27001",
    "quantity": "1.2",
    "filled_quantity": "1.1",
    "quantity_unit": "base",
    "contract_size": "0.01",
    "notional_value": "32401.2",
    "status": "FILLED",
    "liquidation_time": "2026-11-22T08:00:00.123Z",
}
TOP_POSITION = COMMON | {
    "data_type": "lsr_top_position",
    "long_short_ratio": "0.97",
    "long_position_ratio": "0.4924",
    "short_position_ratio": "0.5076",
    "period": "5m",
}
ALL_ACCOUNT = COMMON | {
    "data_type": "lsr_all_account",
    "long_short_ratio": "1.5",
    "long_account_ratio": "0.6",
    "short_account_ratio": "0.4",
    "period": "1h",
}
VOLATILITY = COMMON | {
    "data_type": "volatility_index",
    "exchange": "deribit_derivatives",
    "market_type": "options",
    "symbol": "BTC",
    "instrument_id": "btc_usd",
    "volatility_index": "45.31",
    "currency": "BTC",
    "underlying_asset": "BTC",
    "index_name": "btc_usd",
    "open": None,
    "high": None,
    "low": None,
    "close": None,
    "resolution": None,
}
CANDLE = VOLATILITY | {
    "open": "45",
    "high": "45.9",
    "low": "44.8",
    "close": "45.31",
    "resolution": "60",
}
PLACE = "okx_derivatives:perpetual:BTC-USDT"
SUBJECT = "okx_derivatives.perpetual"
VOLATILITY_PLACE = "deribit_derivatives:options:BTC:volatility_index"
VOLATILITY_SUBJECT = "volatility-index-data.deribit_derivatives.options.BTC"
LIQUIDATION_ID = f"{PLACE}:liquidation:1795334400123-sell-27000.5-1.2-0"

EVENTS: list[tuple[Event, dict[str, Any], str, str]] = [
    (
        funding_rate(),
        FUNDING_RATE,
        f"{PLACE}:funding_rate:{TS_EVENT}",
        f"funding-rate-data.{SUBJECT}.BTC-USDT",
    ),
    (
        open_interest(),
        OPEN_INTEREST,
        f"{PLACE}:open_interest:{TS_EVENT}",
        f"open-interest-data.{SUBJECT}.BTC-USDT",
    ),
    (liquidation(), LIQUIDATION, LIQUIDATION_ID, f"liquidation-data.{SUBJECT}.BTC-USDT"),
    (
        top_position_ratio(),
        TOP_POSITION,
        f"{PLACE}:lsr_top_position:{TS_EVENT}",
        f"lsr-data.{SUBJECT}.top-position.BTC-USDT",
    ),
    (
        all_account_ratio(),
        ALL_ACCOUNT,
        f"{PLACE}:lsr_all_account:{TS_EVENT}",
        f"lsr-data.{SUBJECT}.all-account.BTC-USDT",
    ),
    (volatility_index(), VOLATILITY, f"{VOLATILITY_PLACE}:{TS_EVENT}", VOLATILITY_SUBJECT),
    # Of a streamed value and a candle of the same time, neither hides the other.
    (volatility_candle(), CANDLE, f"{VOLATILITY_PLACE}:c{TS_EVENT}", VOLATILITY_SUBJECT),
]
NAMES = ["funding", "interest", "liquidation", "top", "all", "volatility", "candle"]
EACH = pytest.mark.parametrize(("event", "payload", "message_id", "subject"), EVENTS, ids=NAMES)


@EACH
def test_an_event_is_stored_with_exactly_the_fields_of_the_contract(
    event: Event, payload: dict[str, Any], message_id: str, subject: str
) -> None:
    message = MessageEncoder().encode(event)
    assert json.loads(message.payload) == payload
    assert (message.message_id, message.route.subject) == (message_id, subject)
    assert message.ts_recv == TS_RECV
    read = decode(message.payload)
    assert type(read) is type(event)
    assert read == event


def test_every_data_type_has_an_event() -> None:
    told = {event.data_type for event, *_ in EVENTS}
    assert told | {"trade", "orderbook"} == set(DATA_TYPES)


ABSENT: list[tuple[Event, set[str]]] = [
    (
        funding_rate(
            estimated_funding_rate=None,
            funding_time=None,
            next_funding_time=None,
            funding_interval_hours=None,
            mark_price=None,
            index_price=None,
            premium_index=None,
        ),
        {
            "estimated_funding_rate",
            "funding_time",
            "next_funding_time",
            "funding_interval_hours",
            "mark_price",
            "index_price",
            "premium_index",
        },
    ),
    (
        open_interest(
            open_interest_contracts=None,
            open_interest_value=None,
            open_interest_usd=None,
            contract_size=None,
            mark_price=None,
        ),
        {
            "open_interest_contracts",
            "open_interest_value",
            "open_interest_usd",
            "contract_size",
            "mark_price",
        },
    ),
    (
        liquidation(
            price=None,
            average_price=None,
            filled_quantity=None,
            contract_size=None,
            notional_value=None,
            status=None,
        ),
        {
            "price",
            "average_price",
            "filled_quantity",
            "contract_size",
            "notional_value",
            "status",
        },
    ),
]


@pytest.mark.parametrize(("event", "names"), ABSENT, ids=lambda value: type(value).__name__)
def test_what_an_exchange_does_not_tell_is_null(event: Event, names: set[str]) -> None:
    payload = json.loads(MessageEncoder().encode(event).payload)
    assert {name for name, value in payload.items() if value is None} == names


@EACH
def test_a_value_of_another_kind_is_refused(
    event: Event, payload: dict[str, Any], message_id: str, subject: str
) -> None:
    """Above all a number in place of a decimal string."""
    wrongs: list[object] = [1.5, [], True]
    for name in payload.keys() - {"data_type"}:
        for wrong in wrongs:
            with pytest.raises(msgspec.DecodeError, match=name):
                decode(json.dumps(payload | {name: wrong}).encode())


@pytest.mark.parametrize(
    ("payload", "change"),
    [
        (LIQUIDATION, {"side": "long"}),
        (LIQUIDATION, {"position_side": "sell"}),
        (LIQUIDATION, {"quantity_unit": "coins"}),
        (OPEN_INTEREST, {"quantity_unit": "quote"}),
    ],
)
def test_a_word_outside_the_contract_is_refused(
    payload: dict[str, Any], change: dict[str, str]
) -> None:
    with pytest.raises(msgspec.DecodeError, match=next(iter(change))):
        decode(json.dumps(payload | change).encode())


def test_ids_of_values_do_not_depend_on_who_received() -> None:
    encoder = MessageEncoder()
    for make in (funding_rate, open_interest, liquidation, top_position_ratio, volatility_index):
        one, other = (encoder.encode(make(ts_recv=recv)).message_id for recv in (1, TS_RECV))
        assert one == other
