"""What Deribit's `public/get_instruments` lists: the futures, and what else a reader meets.

That is options, a spot pair, a future that has expired, one with a state and fields that
nobody has announced, and one with hardly any fields.
"""

from typing import Any

from mprism.simulator.deribit.catalog import CONTRACTS, DECEMBER_MS, FOREVER_MS, Contract
from mprism.simulator.deribit.numbers import float_form
from mprism.simulator.deribit.payloads import raw

KINDS = ("future", "option", "spot", "future_combo", "option_combo")
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR", "any")
_CREATED_MS = 1_534_167_754_000
_EXPIRED_MS = 1_782_460_800_000  # 2026-06-26 08:00 UTC


def instruments(currency: str, kind: str | None, *, expired: bool) -> list[dict[str, Any]]:
    """The entries of this currency (or `any`) and kind, still alive or expired."""
    return [
        entry
        for entry in (*map(_future, CONTRACTS), *_OTHERS)
        if currency in ("any", entry.get("settlement_currency"))
        and kind in (None, entry.get("kind"))
        and expired == (entry.get("expiration_timestamp", FOREVER_MS) <= _EXPIRED_MS)
    ]


def _future(contract: Contract) -> dict[str, Any]:
    instrument = contract.instrument
    size = contract.contract_size
    return {
        "price_index": contract.index_name,
        "rfq": False,
        "kind": "future",
        "instrument_name": contract.name,
        "maker_commission": raw("0.0"),
        "taker_commission": raw("5.0e-4"),
        "instrument_type": "linear" if contract.linear else "reversed",
        "expiration_timestamp": instrument.delivery_ms,
        "creation_timestamp": _CREATED_MS,
        "is_active": True,
        "state": instrument.status,
        "tick_size": raw(contract.price.wire(1)),
        "contract_size": raw(size),
        "instrument_id": 124_972 + CONTRACTS.index(contract),
        "settlement_period": instrument.contract,
        "max_leverage": 50,
        "max_liquidation_commission": raw("0.0075"),
        "block_trade_commission": raw("2.5e-4"),
        "block_trade_min_trade_amount": 200_000,
        "block_trade_tick_size": raw("0.01"),
        "future_type": "linear" if contract.linear else "reversed",
        "min_trade_amount": raw(size),
        "tick_size_steps": [],
        "settlement_currency": contract.currency,
        "base_currency": instrument.base,
        "counter_currency": instrument.quote,
        "quote_currency": instrument.quote,
    }


def _option(name: str, base: str, settled: str, strike: float, steps: float) -> dict[str, Any]:
    return {
        "price_index": f"{base}_{'usdc' if settled == 'USDC' else 'usd'}".lower(),
        "kind": "option",
        "instrument_name": name,
        "option_type": "call",
        "strike": strike,
        "instrument_type": "linear" if settled == "USDC" else "reversed",
        "expiration_timestamp": DECEMBER_MS,
        "creation_timestamp": _CREATED_MS,
        "is_active": True,
        "state": "open",
        "tick_size": raw("1.0e-4"),
        "contract_size": 1,
        "instrument_id": 451_000,
        "settlement_period": "month",
        "min_trade_amount": raw("0.1"),
        "tick_size_steps": [{"above_price": steps, "tick_size": raw(float_form(5, 4))}],
        "settlement_currency": settled,
        "base_currency": base,
        "counter_currency": "USDC" if settled == "USDC" else "USD",
        "quote_currency": settled,
    }


def _changed(entry: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {**entry, **changes}


_FIRST = _future(CONTRACTS[0])
_OTHERS: tuple[dict[str, Any], ...] = (
    _option("BTC-25DEC26-90000-C", "BTC", "BTC", 90_000.0, 0.005),
    _option("XRP_USDC-25DEC26-2d625-C", "XRP", "USDC", 2.625, 0.05),
    _changed(
        _FIRST,
        instrument_name="BTC_USDC",
        kind="spot",
        instrument_type="linear",
        settlement_currency="USDC",
        settlement_period="perpetual",
        quote_currency="USDC",
        counter_currency="USDC",
        price_index="btc_usdc",
        contract_size=raw("0.0001"),
    ),
    _changed(
        _FIRST,
        instrument_name="BTC-26JUN26",
        settlement_period="month",
        expiration_timestamp=_EXPIRED_MS,
        is_active=False,
        state="closed",
    ),
    # Delivered, but still on the list of those that are alive.
    _changed(
        _FIRST,
        instrument_name="BTC-20NOV26",
        settlement_period="week",
        expiration_timestamp=1_795_161_600_000,
        is_active=False,
        state="closed",
    ),
    _changed(
        _FIRST,
        instrument_name="NVDA_USDC-PERPETUAL",
        base_currency="NVDA",
        quote_currency="USDC",
        counter_currency="USDC",
        settlement_currency="USDC",
        price_index="nvda_usdc",
        instrument_type="linear",
        state="halted_for_the_night",
        underlying_type="equity",
        trading_hours={"open": "14:30", "close": "21:00", "days": [1, 2, 3, 4, 5]},
    ),
    {"instrument_name": "ODD-PERPETUAL", "kind": "future", "settlement_currency": "USDC"},
)
