"""`exchangeInfo` of spot and USD-M, with the fields that the exchange sends."""

from collections.abc import Iterable
from typing import Any

from mprism.simulator.binance.payloads import pair_of
from mprism.simulator.instrument import Instrument

MOST = 1_000_000_000  # steps: the upper bound in price and quantity filters


def spot_exchange_info(
    instruments: Iterable[Instrument], weight_limit: int, time_ms: int
) -> dict[str, Any]:
    """`GET /api/v3/exchangeInfo`."""
    return {
        "timezone": "UTC",
        "serverTime": time_ms,
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, weight_limit),
            _rate_limit("ORDERS", "SECOND", 10, 100),
            _rate_limit("ORDERS", "DAY", 1, 200_000),
            _rate_limit("RAW_REQUESTS", "MINUTE", 5, 300_000),
        ],
        "exchangeFilters": [],
        "symbols": [_spot_symbol(instrument) for instrument in instruments],
    }


def usdm_exchange_info(
    instruments: Iterable[Instrument], weight_limit: int, time_ms: int
) -> dict[str, Any]:
    """`GET /fapi/v1/exchangeInfo`."""
    return {
        "timezone": "UTC",
        "serverTime": time_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, weight_limit),
            _rate_limit("ORDERS", "MINUTE", 1, 1_200),
            _rate_limit("ORDERS", "SECOND", 10, 300),
        ],
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in ("USDT", "USDC", "BTC")
        ],
        "symbols": [_usdm_symbol(instrument) for instrument in instruments],
    }


def _rate_limit(kind: str, interval: str, count: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit}


def _spot_symbol(instrument: Instrument) -> dict[str, Any]:
    price, quantity = instrument.price, instrument.quantity
    return {
        "symbol": instrument.symbol,
        "status": instrument.status,
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": price.text(1),
                "maxPrice": price.text(MOST),
                "tickSize": price.text(1),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": quantity.text(1),
                "maxQty": quantity.text(MOST),
                "stepSize": quantity.text(1),
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _usdm_symbol(instrument: Instrument) -> dict[str, Any]:
    price, quantity = instrument.price, instrument.quantity
    shares = instrument.contract == "TRADIFI_PERPETUAL"
    return {
        "symbol": instrument.symbol,
        "pair": pair_of(instrument),
        "contractType": instrument.contract,
        "deliveryDate": instrument.delivery_ms,
        "onboardDate": 1_569_398_400_000,
        "status": instrument.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": price.digits,
        "quantityPrecision": quantity.digits,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "EQUITY" if shares else "COIN",
        "underlyingSubType": ["TradFi"] if shares else ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": price.text(1),
                "maxPrice": price.text(MOST),
                "tickSize": price.text(1),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": quantity.text(1),
                "maxQty": quantity.text(MOST),
                "stepSize": quantity.text(1),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": quantity.text(1),
                "maxQty": quantity.text(MOST // 10),
                "stepSize": quantity.text(1),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }
