"""Instruments from OKX's lists, near misses among them."""

import json
from typing import Any

import pytest

from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument, InstrumentList, select
from mprism.feeds.okx.venue import OKX_DERIVATIVES, OKX_SPOT
from tests.unit.okx_payloads import DATED, INVERSE, LINEAR, SPOT, XPERP, answer

DECEMBER = "1798185600000"  # 2026-12-25 08:00 UTC
EMPTY = dict.fromkeys(
    ["baseCcy", "quoteCcy", "settleCcy", "ctVal", "ctMult", "ctType", "expTime", "uly"], ""
) | {"instFamily": ""}


def listed(instrument: str, kind: str, **more: Any) -> dict[str, Any]:
    entry = EMPTY | {"instId": instrument, "instType": kind, "state": "live", "ruleType": "normal"}
    return entry | {"instIdCode": None, "futureSettlement": False, "upcChg": [{}]} | more


def spot(instrument: str = "BTC-USDT", **more: Any) -> dict[str, Any]:
    base, quote = instrument.split("-")
    return listed(instrument, "SPOT", baseCcy=base, quoteCcy=quote) | more


def swap(instrument: str = "BTC-USDT-SWAP", **more: Any) -> dict[str, Any]:
    entry = listed(instrument, "SWAP", uly=instrument.removesuffix("-SWAP"), settleCcy="USDT")
    return entry | {"ctType": "linear", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC"} | more


def inverse(instrument: str = "BTC-USD-SWAP", **more: Any) -> dict[str, Any]:
    return swap(instrument, ctType="inverse", ctVal="100", ctValCcy="USD") | more


def future(instrument: str = "BTC-USD-261225", **more: Any) -> dict[str, Any]:
    dated = {"instType": "FUTURES", "uly": "BTC-USD", "expTime": DECEMBER}
    return inverse(instrument) | dated | more


def parsed(*entries: object) -> InstrumentList:
    return OKX_DERIVATIVES.parse_instruments([answer(*entries)])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (spot(), SPOT),
        # The currencies say where the symbol parts, not its text.
        (
            spot("X-Y", baseCcy="abc", quoteCcy="EUR"),
            Instrument("okx_spot", "spot", "ABC-EUR", "X-Y"),
        ),
        (spot(state="suspend"), Instrument("okx_spot", "spot", "BTC-USDT", "BTC-USDT", False)),
        (spot(state="brand_new"), Instrument("okx_spot", "spot", "BTC-USDT", "BTC-USDT", False)),
    ],
)
def test_a_spot_instrument(entry: dict[str, Any], expected: Instrument) -> None:
    result = OKX_SPOT.parse_instruments([answer(entry)])
    assert result.instruments == {expected.instrument_id: expected}
    assert result.skipped == ()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (swap(), LINEAR),
        (inverse(), INVERSE),
        (future(), DATED),
        (
            future(
                "BTC-USD_UM_XPERP-310404",
                instFamily="BTC-USD_UM_XPERP",
                ruleType="xperp",
                ctType="linear",
                ctVal="0.0001",
                expTime="1933056000000",
            ),
            XPERP,
        ),
    ],
)
def test_a_contract(entry: dict[str, Any], expected: Instrument) -> None:
    result = parsed(entry)
    assert result.instruments == {expected.instrument_id: expected}
    assert result.skipped == ()


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        (swap(ctVal="10", ctMult="0.10"), {"contract_size": "1.00", "multiplier": "1.00"}),
        (inverse(ctVal="10", ctMult="2"), {"contract_size": "20", "multiplier": "1"}),
        # The family says what it is, whatever the id says, and in lists of old the underlying.
        (swap("ODD-NAME-SWAP", instFamily="btc-usdt"), {"symbol": "BTC-USDT"}),
        (swap("ODD-NAME-SWAP", uly="btc-usdt"), {"symbol": "BTC-USDT"}),
        (future("BTC-USD-270101"), {"symbol": "BTC-USD-261225", "has_funding": False}),
        (swap(state="preopen"), {"trading": False}),
        (swap(state="rebase"), {"trading": False}),
        (swap(ruleType="pre_market"), {"has_funding": True, "trading": True}),
        (swap(expTime=DECEMBER), {"market_type": "perpetual", "symbol": "BTC-USDT"}),
    ],
)
def test_what_a_contract_is_read_from(entry: dict[str, Any], fields: dict[str, Any]) -> None:
    (instrument,) = parsed(entry).instruments.values()
    assert {name: getattr(instrument, name) for name in fields} == fields


def test_families_of_one_underlying_have_symbols_of_their_own() -> None:
    linear = {"ctType": "linear", "ctVal": "0.01", "settleCcy": "USD"}
    listed_now = parsed(
        inverse(instFamily="BTC-USD", uly="BTC-USD"),
        swap("BTC-USD_UM-SWAP", instFamily="BTC-USD_UM", uly="BTC-USD", **linear),
        future(instFamily="BTC-USD"),
        future("BTC-USD_UM-261225", instFamily="BTC-USD_UM", **linear),
        future("BTC-USD_UM_XPERP-261225", instFamily="BTC-USD_UM_XPERP", **linear),
    ).instruments
    symbols = {name: each.symbol for name, each in listed_now.items()}
    assert symbols == {
        "BTC-USD-SWAP": "BTC-USD",
        "BTC-USD_UM-SWAP": "BTC-USD_UM",
        "BTC-USD-261225": "BTC-USD-261225",
        "BTC-USD_UM-261225": "BTC-USD_UM-261225",
        "BTC-USD_UM_XPERP-261225": "BTC-USD_UM_XPERP-261225",
    }
    assert [each.instrument_id for each in select(listed_now, symbols, "okx_derivatives")] == [
        *symbols
    ]


def test_the_lists_of_swaps_and_futures_are_one() -> None:
    bodies = [answer(swap(), inverse()), answer(future())]
    instruments = OKX_DERIVATIVES.parse_instruments(bodies).instruments
    assert list(instruments) == ["BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD-261225"]


def test_a_list_of_others_has_none_of_ours() -> None:
    everything = answer(spot(), swap(), future(), listed("BTC-USD-1-C", "OPTION"))
    assert list(OKX_SPOT.parse_instruments([everything]).instruments) == ["BTC-USDT"]
    result = OKX_DERIVATIVES.parse_instruments([everything])
    assert list(result.instruments) == ["BTC-USDT-SWAP", "BTC-USD-261225"]
    assert result.skipped == ()


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        swap(instId=None),
        swap(state=7),
        swap(uly=""),
        swap(uly="BTCUSDT"),
        swap(instFamily="BTCUSDT"),
        swap(instFamily=None),
        swap(uly="BTC-USDT-X"),
        swap(ctVal=""),
        swap(ctMult=""),
        swap(ctVal="x"),
        swap(ctVal="0"),
        swap(ctVal="-1"),
        swap(ctType=""),
        swap(ctType="quanto"),
        future(expTime=""),
        future(expTime="soon"),
        future(expTime="99999999999999"),
        future(expTime=int(DECEMBER)),
    ],
)
def test_one_bad_entry_costs_only_itself(bad: object) -> None:
    result = parsed(swap(), bad, inverse())
    assert list(result.instruments) == ["BTC-USDT-SWAP", "BTC-USD-SWAP"]
    (reason,) = result.skipped
    assert reason
    if isinstance(bad, dict) and isinstance(bad.get("instId"), str) and bad["state"] == "live":
        assert reason.startswith(f"{bad['instId']}: ") or "Expected" in reason


@pytest.mark.parametrize("missing", ["baseCcy", "quoteCcy"])
def test_a_spot_instrument_without_currencies_is_left_out(missing: str) -> None:
    result = OKX_SPOT.parse_instruments([answer(spot(**{missing: ""}))])
    assert result.instruments == {}
    assert len(result.skipped) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"code":"0"}',
        b'{"code":"0","data":null}',
        b'{"code":"0","data":[{]}',
        b'{"code":"0","data":[],"x":' + b"[" * 100_000,
        b'{"code":"0","data":[],"msg":"\xff"}',
        json.dumps({"code": 0, "data": []}).encode(),
        answer(code="50011", msg="Too Many Requests"),
    ],
)
def test_what_is_no_list_is_a_fault(body: bytes) -> None:
    with pytest.raises(NetworkFault, match="okx_spot instruments: "):
        OKX_SPOT.parse_instruments([body])
