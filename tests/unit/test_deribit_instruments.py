"""Deribit's list of instruments."""

from typing import Any

import pytest

from mprism.feeds.deribit.instruments import parse_instruments
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument, InstrumentList
from tests.unit.deribit_payloads import BTC, BTC_DATED, BTC_USDC, encode, raw


def listed(**changes: Any) -> dict[str, Any]:
    """An entry: BTC-PERPETUAL, changed."""
    return {
        "price_index": "btc_usd",
        "kind": "future",
        "instrument_name": "BTC-PERPETUAL",
        "instrument_type": "reversed",
        "expiration_timestamp": 32_503_708_800_000,
        "is_active": True,
        "state": "open",
        "contract_size": 10,
        "settlement_period": "perpetual",
        "settlement_currency": "BTC",
        "base_currency": "BTC",
        "counter_currency": "USD",
        "quote_currency": "USD",
        "tick_size_steps": [{"above_price": 1, "tick_size": 2}],
    } | changes


LINEAR = {
    "instrument_name": "BTC_USDC-PERPETUAL",
    "instrument_type": "linear",
    "quote_currency": "USDC",
    "contract_size": raw("1e-4"),
}
DATED = {
    "instrument_name": "BTC-25DEC26",
    "settlement_period": "month",
    "expiration_timestamp": 1_798_185_600_000,
}


def parse(*entries: object) -> InstrumentList:
    return parse_instruments([encode({"jsonrpc": "2.0", "result": entries, "usOut": 1}).encode()])


def one(**changes: Any) -> Instrument:
    found = parse(listed(**changes))
    assert not found.skipped
    (instrument,) = found.instruments.values()
    return instrument


def test_futures_are_listed_by_their_names() -> None:
    found = parse(listed(), listed(**LINEAR), listed(**DATED))
    assert found.instruments == {
        "BTC-PERPETUAL": BTC,
        "BTC_USDC-PERPETUAL": BTC_USDC,
        "BTC-25DEC26": BTC_DATED,
    }
    assert (found.limits, found.skipped) == ({}, ())


def test_amounts_are_in_the_unit_of_messages() -> None:
    assert one(contract_size=raw("10.0")).quantity("2.2e3") == "220"
    assert one(contract_size=1).quantity("53.0") == "53.0"
    assert one(**LINEAR).quantity("1054.0") == "1054.0"


@pytest.mark.parametrize(
    ("sent", "text"),
    [("10", "10"), ("10.0", "10.0"), ("1e-4", "0.0001"), ("0.001", "0.001"), ("1.0E1", "10")],
)
def test_contract_sizes_are_plain_decimals(sent: str, text: str) -> None:
    assert one(contract_size=raw(sent)).contract_size == text


@pytest.mark.parametrize("kind", ["option", "spot", "future_combo", "option_combo", "new"])
def test_what_is_no_future_is_left_out(kind: str) -> None:
    found = parse(listed(kind=kind), {"kind": kind})
    assert (dict(found.instruments), found.skipped) == ({}, ())


@pytest.mark.parametrize(
    ("changes", "trading"),
    [
        ({}, True),
        ({"is_active": False}, False),
        ({"state": "closed"}, False),
        ({"state": "halted_for_the_night"}, False),
    ],
)
def test_what_is_not_open_is_not_trading(changes: dict[str, Any], trading: bool) -> None:
    assert one(**changes).trading is trading


def test_states_may_be_left_out() -> None:
    entry = listed()
    del entry["state"], entry["is_active"]
    assert parse(entry).instruments["BTC-PERPETUAL"].trading


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {},
        {"instrument_name": "ODD-PERPETUAL", "kind": "future"},
        listed(instrument_type="quanto"),
        listed(contract_size=None),
        listed(contract_size=0),
        listed(contract_size=-10),
        listed(contract_size="ten"),
        listed(contract_size=raw("1e99")),
        listed(instrument_name=None),
        listed(expiration_timestamp=None),
        listed(settlement_period="week", expiration_timestamp=10**30),
    ],
)
def test_an_entry_that_cannot_be_read_costs_no_other(entry: object) -> None:
    found = parse(entry, listed(**LINEAR))
    assert list(found.instruments) == ["BTC_USDC-PERPETUAL"]
    (reason,) = found.skipped
    assert reason


def test_the_answers_of_a_recording_make_one_list() -> None:
    bodies = [encode({"result": [listed(**changes)]}).encode() for changes in (LINEAR, DATED)]
    assert list(parse_instruments(bodies).instruments) == ["BTC_USDC-PERPETUAL", "BTC-25DEC26"]
    assert not parse_instruments([]).instruments


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"result":{}}', b"\xff", b"[" * 9_999])
def test_an_answer_that_is_no_list_is_a_fault(body: bytes) -> None:
    with pytest.raises(NetworkFault, match="get_instruments"):
        parse_instruments([body])
