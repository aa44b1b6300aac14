"""What USD-M says of its contracts beside trades and books: stream messages and REST rows.

Stream functions take first what happened, then `now_us`, when it is sent, then `unit`, the
number of microseconds in the unit of all times, and return bare JSON. The others return what
goes into an answer. Decimals are strings; an empty string is the exchange's word for none.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from mprism.simulator.binance.liquidations import COINM, Liquidation
from mprism.simulator.binance.markprice import UNITS, MarkPrice, decimal, scale_of
from mprism.simulator.binance.payloads import UNANNOUNCED, pair_of
from mprism.simulator.binance.statistics import Ratio, share_text
from mprism.simulator.instrument import Instrument

USDM, COIN_M = 1, 2
"""`st`: which product a message is about."""

_encode = msgspec.json.Encoder().encode


def mark_price(instrument: Instrument, mark: MarkPrice, now_us: int, unit: int) -> bytes:
    """`markPriceUpdate`."""
    return _encode(
        {
            "e": "markPriceUpdate",
            "E": now_us // unit,
            "s": instrument.symbol,
            "p": decimal(mark.mark_price),
            "ap": decimal(mark.average_price),
            "i": decimal(mark.index_price),
            "P": decimal(mark.settle_price),
            "r": _optional(mark.rate),
            "T": mark.next_funding_ms * 1_000 // unit,
            "st": USDM,
            **UNANNOUNCED,
        }
    )


def force_order(liquidation: Liquidation, now_us: int, unit: int) -> bytes:
    """`forceOrder`. COIN-M has the pair inside of the order."""
    instrument = liquidation.instrument
    price, quantity = instrument.price.text, instrument.quantity.text
    coin_margined = instrument in COINM
    pair = {"ps": pair_of(instrument)}
    filled = liquidation.filled_lots == liquidation.lots
    return _encode(
        {
            "e": "forceOrder",
            "E": now_us // unit,
            "o": {
                "s": instrument.symbol,
                **(pair if coin_margined else {}),
                "S": "SELL" if liquidation.selling else "BUY",
                "o": "LIMIT",
                "f": "IOC",
                "q": quantity(liquidation.lots),
                "p": price(liquidation.price),
                "ap": liquidation.average_price,
                "X": "FILLED" if filled else "PARTIALLY_FILLED",
                "l": quantity(liquidation.last_lots),
                "z": quantity(liquidation.filled_lots),
                "T": liquidation.time_us // unit,
                **UNANNOUNCED,
            },
            **({} if coin_margined else pair),
            "st": COIN_M if coin_margined else USDM,
        }
    )


def premium_index(instrument: Instrument, mark: MarkPrice) -> dict[str, Any]:
    """One entry of `premiumIndex`."""
    return {
        "symbol": instrument.symbol,
        "markPrice": decimal(mark.mark_price),
        "indexPrice": decimal(mark.index_price),
        "estimatedSettlePrice": decimal(mark.settle_price),
        "lastFundingRate": _optional(mark.rate),
        "interestRate": _optional(None if mark.rate is None else 10_000),
        "nextFundingTime": mark.next_funding_ms,
        "time": mark.time_ms,
    }


def funding_info(hours: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    """`fundingInfo`: the symbols whose interval or bounds were adjusted."""
    return [
        {
            "symbol": symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": interval,
            "disclaimer": False,
            "updateTime": None,
        }
        for symbol, interval in hours
    ]


def open_interest(instrument: Instrument, lots: int, time_ms: int) -> dict[str, Any]:
    """`openInterest`, in base coin."""
    return {
        "symbol": instrument.symbol,
        "openInterest": instrument.quantity.text(lots),
        "time": time_ms,
        **UNANNOUNCED,
    }


def open_interest_row(instrument: Instrument, lots: int, mark: int, time_ms: int) -> dict[str, Any]:
    """One row of `openInterestHist`; the value is by the mark price of its time."""
    held = lots * scale_of(instrument.quantity)
    return {
        "symbol": instrument.symbol,
        "sumOpenInterest": decimal(held),
        "sumOpenInterestValue": decimal(held * mark // 10**UNITS.digits),
        "CMCCirculatingSupply": "165880.53800000",
        "timestamp": time_ms,
    }


def ratio_row(instrument: Instrument, ratio: Ratio) -> dict[str, Any]:
    """One row of a long/short ratio. The shares of positions are called accounts, too."""
    return {
        "symbol": instrument.symbol,
        "longShortRatio": ratio.text(),
        "longAccount": share_text(ratio.long),
        "shortAccount": share_text(ratio.short),
        "timestamp": ratio.time_ms,
        **UNANNOUNCED,
    }


def _optional(units: int | None) -> str:
    return "" if units is None else decimal(units)
