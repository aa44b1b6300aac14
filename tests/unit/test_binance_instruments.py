"""Instruments from `exchangeInfo` of spot and USD-M."""

import json
from typing import Any

import pytest

from mprism.feeds.binance.instruments import parse_instruments
from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.protocol import WEIGHT
from mprism.feeds.weight import Limit

WEIGHTS = {
    "rateLimitType": "REQUEST_WEIGHT",
    "interval": "MINUTE",
    "intervalNum": 1,
    "limit": 6_000,
}


def listed(symbol: str, base: str, quote: str = "USDT", **more: Any) -> dict[str, Any]:
    entry = {"symbol": symbol, "status": "TRADING", "baseAsset": base, "quoteAsset": quote}
    return entry | {"filters": [{"filterType": "PRICE_FILTER"}]} | more


def body(symbols: list[Any], limits: list[Any] | None = None) -> bytes:
    return json.dumps({"rateLimits": limits or [], "symbols": symbols, "timezone": "UTC"}).encode()


def parsed(market: Market, *symbols: Any) -> InstrumentList:
    return parse_instruments(market, body(list(symbols)))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            listed("BTCUSDT", "BTC"),
            Instrument("binance_spot", "spot", "BTC-USDT", "BTCUSDT"),
        ),
        # The assets say where the symbol parts, not its text.
        (
            listed("USDTTRY", "USDT", "TRY"),
            Instrument("binance_spot", "spot", "USDT-TRY", "USDTTRY"),
        ),
        (
            listed("这是测试币456", "这是测试币", "456"),
            Instrument("binance_spot", "spot", "这是测试币-456", "这是测试币456"),
        ),
        (
            listed("lowUSDT", "low"),
            Instrument("binance_spot", "spot", "LOW-USDT", "lowUSDT"),
        ),
        (
            listed("BTCUSDT", "BTC", status="BREAK"),
            Instrument("binance_spot", "spot", "BTC-USDT", "BTCUSDT", trading=False),
        ),
        (
            listed("BTCUSDT", "BTC", status="SOMETHING_NEW"),
            Instrument("binance_spot", "spot", "BTC-USDT", "BTCUSDT", trading=False),
        ),
        # An underscore says nothing on spot.
        (
            listed("A_B", "A", "B"),
            Instrument("binance_spot", "spot", "A-B", "A_B"),
        ),
    ],
)
def test_a_spot_instrument(entry: dict[str, Any], expected: Instrument) -> None:
    assert parsed(SPOT, entry).instruments == {expected.instrument_id: expected}


DECEMBER = 1_798_185_600_000  # 2026-12-25 08:00 UTC
NEVER = 4_133_404_800_000


@pytest.mark.parametrize(
    ("symbol", "contract_type", "delivery", "market_type", "name"),
    [
        ("BTCUSDT", "PERPETUAL", NEVER, "perpetual", "BTC-USDT"),
        ("BTCUSDT", "TRADIFI_PERPETUAL", NEVER, "perpetual", "BTC-USDT"),
        # A date on a perpetual is that of its delisting.
        ("BTCUSDT", "PERPETUAL", DECEMBER, "perpetual", "BTC-USDT"),
        ("BTCUSDT", "", None, "perpetual", "BTC-USDT"),
        ("BTCUSDT_261225", "CURRENT_QUARTER", DECEMBER, "futures", "BTC-USDT-261225"),
        ("BTCUSDT_261225", "NEXT_QUARTER", DECEMBER, "futures", "BTC-USDT-261225"),
        ("BTCUSDT_261225", "", DECEMBER, "futures", "BTC-USDT-261225"),
        ("BTCUSDT_261225", "CURRENT_QUARTER_DELIVERING", DECEMBER, "futures", "BTC-USDT-261225"),
        ("BTCUSDT_PERP", "PERPETUAL", NEVER, "perpetual", "BTC-USDT"),
    ],
)
def test_a_usdm_instrument(
    symbol: str, contract_type: str, delivery: int | None, market_type: str, name: str
) -> None:
    entry = listed(symbol, "BTC", contractType=contract_type, deliveryDate=delivery)
    assert parsed(USDM, entry).instruments == {
        symbol: Instrument(
            "binance_derivatives",
            market_type,  # type: ignore[arg-type]
            name,
            symbol,
            has_funding=market_type == "perpetual",
        )
    }


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        listed("XUSDT", "X", status=None),
        listed("XUSDT", "X") | {"baseAsset": 7},
        listed("X_261225", "X", contractType="CURRENT_QUARTER"),
        listed("X_261225", "X", deliveryDate=10**18),
        listed("X_261225", "X", deliveryDate=10**400),
        listed("X_261225", "X", deliveryDate="soon"),
    ],
)
def test_one_bad_entry_costs_only_itself(bad: object) -> None:
    result = parsed(USDM, listed("BTCUSDT", "BTC"), bad, listed("ETHUSDT", "ETH"))
    assert list(result.instruments) == ["BTCUSDT", "ETHUSDT"]
    (reason,) = result.skipped
    assert reason


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"symbols":null}',
        b'{"symbols":[{]}',
        b'{"symbols":[],"rateLimits":{}}',
        b'{"symbols":[],"x":' + b"[" * 100_000,
        b'{"code":-1003,"msg":"Too many requests."}',
    ],
)
def test_what_is_no_list_is_a_fault(answer: bytes) -> None:
    with pytest.raises(NetworkFault, match="binance_spot exchangeInfo: "):
        parse_instruments(SPOT, answer)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ([], None),
        ([WEIGHTS], Limit(6_000, 60.0)),
        ([WEIGHTS | {"interval": "SECOND", "intervalNum": 10, "limit": 50}], Limit(50, 10.0)),
        ([WEIGHTS | {"interval": "HOUR", "limit": 600}], Limit(600, 3_600.0)),
        (
            [WEIGHTS | {"interval": "DAY", "intervalNum": 2, "limit": 28_800}],
            Limit(28_800, 172_800.0),
        ),
        ([WEIGHTS | {"rateLimitType": "ORDERS", "limit": 1}, WEIGHTS], Limit(6_000, 60.0)),
        ([WEIGHTS | {"rateLimitType": "RAW_REQUESTS"}], None),
        # Nonsense is as good as nothing.
        ([WEIGHTS | {"interval": "FORTNIGHT"}], None),
        ([WEIGHTS | {"intervalNum": 0}], None),
        ([WEIGHTS | {"intervalNum": -1}], None),
        ([WEIGHTS | {"limit": 0}], None),
        ([WEIGHTS | {"limit": -5}], None),
        ([WEIGHTS | {"intervalNum": 10**400}], None),
        ([WEIGHTS | {"limit": 10**400}], None),
        ([WEIGHTS | {"interval": "DAY", "limit": 5}], Limit(5, 86_400.0)),
    ],
)
def test_the_weight_limit_is_for_its_window(limits: list[Any], limit: Limit | None) -> None:
    found = parse_instruments(SPOT, body([], limits)).limits
    assert found == ({} if limit is None else {"weight": limit})


@pytest.mark.parametrize("unread", [b"{}", b'{"rateLimitType":"\xff"}', b"[]", b"7"])
def test_a_limit_that_cannot_be_read_costs_no_other(unread: bytes) -> None:
    told = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 9}
    limits = b"[%b,%b]" % (unread, json.dumps(told).encode())
    listed = parse_instruments(USDM, b'{"symbols":[],"rateLimits":%b}' % limits)
    assert listed.limits == {WEIGHT: Limit(9, 60.0)}
