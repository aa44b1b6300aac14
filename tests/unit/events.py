"""One event of each data type that is neither a trade nor a book, with every field told."""

from typing import Any

from mprism.schema import (
    AllAccountRatio,
    FundingRate,
    Liquidation,
    OpenInterest,
    TopPositionRatio,
    VolatilityIndex,
)

TS_EVENT = 1_795_334_400_123_000_000
TS_RECV = 1_795_334_400_150_123_456
PLACE: dict[str, Any] = {
    "exchange": "okx_derivatives",
    "market_type": "perpetual",
    "symbol": "BTC-USDT",
    "instrument_id": "BTC-USDT-SWAP",
    "timestamp": "2026-11-22T08:00:00.123Z",
    "ts_event": TS_EVENT,
    "ts_recv": TS_RECV,
}
VOLATILITY_PLACE: dict[str, Any] = PLACE | {
    "exchange": "deribit_derivatives",
    "market_type": "options",
    "symbol": "BTC",
    "instrument_id": "btc_usd",
}


def funding_rate(**changes: Any) -> FundingRate:
    """The rate of 09:00, between two settlements."""
    fields: dict[str, Any] = PLACE | {
        "current_funding_rate": "0.00010000",
        "estimated_funding_rate": "-0.0000125",
        "funding_time": "2026-11-22T00:00:00.000Z",
        "next_funding_time": "2026-11-22T16:00:00.000Z",
        "funding_interval_hours": 8,
        "mark_price": "27785.1",
        "index_price": "27784.6",
        "premium_index": "0.5",
    }
    return FundingRate(**fields | changes)


def open_interest(**changes: Any) -> OpenInterest:
    """In base currency."""
    fields: dict[str, Any] = PLACE | {
        "open_interest": "2520.5",
        "open_interest_contracts": "252050",
        "open_interest_value": "70032344.55",
        "open_interest_usd": "70032344.5",
        "quantity_unit": "base",
        "contract_size": "0.01",
        "mark_price": "27785.1",
    }
    return OpenInterest(**fields | changes)


def liquidation(**changes: Any) -> Liquidation:
    """A long position, sold."""
    fields: dict[str, Any] = PLACE | {
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
    return Liquidation(**fields | changes)


def top_position_ratio(**changes: Any) -> TopPositionRatio:
    """Positions of top traders."""
    fields: dict[str, Any] = PLACE | {
        "long_short_ratio": "0.97",
        "long_position_ratio": "0.4924",
        "short_position_ratio": "0.5076",
        "period": "5m",
    }
    return TopPositionRatio(**fields | changes)


def all_account_ratio(**changes: Any) -> AllAccountRatio:
    """All accounts."""
    fields: dict[str, Any] = PLACE | {
        "long_short_ratio": "1.5",
        "long_account_ratio": "0.6",
        "short_account_ratio": "0.4",
        "period": "1h",
    }
    return AllAccountRatio(**fields | changes)


def volatility_index(**changes: Any) -> VolatilityIndex:
    """A value of the stream."""
    fields: dict[str, Any] = VOLATILITY_PLACE | {
        "volatility_index": "45.31",
        "currency": "BTC",
        "underlying_asset": "BTC",
        "index_name": "btc_usd",
    }
    return VolatilityIndex(**fields | changes)


def volatility_candle(**changes: Any) -> VolatilityIndex:
    """A candle of a minute."""
    candle = {"open": "45", "high": "45.9", "low": "44.8", "close": "45.31", "resolution": "60"}
    return volatility_index(**candle | changes)
