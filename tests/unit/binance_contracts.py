"""What Binance sends of USD-M beside trades and books, and what is driven by it."""

import json
from typing import Any

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, PollProtocol
from mprism.feeds.venue import PollPlan
from tests.unit.binance_payloads import RECV_NS

BTC_DATED = Instrument("binance_derivatives", "futures", "BTC-USDT-260925", "BTCUSDT_260925")

PUSHED = 1_770_000_000_250  # 2026-02-02T02:40:00.250Z
NEXT = 1_770_019_200_000  # 2026-02-02T08:00Z
HOUR = 3_600_000


def mark_price(**changes: Any) -> dict[str, Any]:
    """The data of a `@markPrice`."""
    event = {"e": "markPriceUpdate", "E": PUSHED, "s": "BTCUSDT", "p": "65012.30000000"}
    event |= {"ap": "65010.11111111", "i": "65000.10000001", "P": "65001.00000000"}
    return event | {"r": "0.00010000", "T": NEXT, "st": 1} | changes


def force_order(st: int | None = 1, pair: str | None = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    """The data of a `@forceOrder`; the changes are of the order."""
    order: dict[str, Any] = {
        "s": "BTCUSDT",
        "S": "SELL",
        "o": "LIMIT",
        "f": "IOC",
        "q": "0.014",
        "p": "64700.50",
    }
    order |= {"ap": "64810.25", "X": "FILLED", "l": "0.010", "z": "0.014", "T": PUSHED}
    event = {"e": "forceOrder", "E": PUSHED + 700, "o": order | changes}
    event |= {} if pair is None else {"ps": pair}
    return event | ({} if st is None else {"st": st})


def open_interest(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    """The answer of `openInterest`."""
    return {"symbol": symbol, "openInterest": "10659.509", "time": PUSHED} | changes


def premium_index(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    """One entry of `premiumIndex`."""
    entry = {"symbol": symbol, "markPrice": "65012.30000000", "indexPrice": "65000.10000001"}
    entry |= {"estimatedSettlePrice": "65001.00000000", "lastFundingRate": "0.00010000"}
    return entry | {"interestRate": "0.00010000", "nextFundingTime": NEXT, "time": PUSHED} | changes


def ratio(timestamp: int = PUSHED, **changes: Any) -> dict[str, Any]:
    """One row of a long/short ratio."""
    row = {"symbol": "BTCUSDT", "longShortRatio": "1.4342", "longAccount": "0.5892"}
    return row | {"shortAccount": "0.4108", "timestamp": timestamp} | changes


def adjusted(symbol: str = "BTCUSDT", hours: Any = 4, **changes: Any) -> dict[str, Any]:
    """One entry of `fundingInfo`."""
    entry = {"symbol": symbol, "adjustedFundingRateCap": "0.02500000", "disclaimer": False}
    entry |= {"adjustedFundingRateFloor": "-0.02500000", "fundingIntervalHours": hours}
    return entry | changes


def listed(symbol: str, base: str, **changes: Any) -> dict[str, Any]:
    """One symbol of `exchangeInfo`: a perpetual contract."""
    entry = {"symbol": symbol, "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT"}
    return entry | {"contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000} | changes


def encoded(body: object) -> bytes:
    """`body` as a REST answer."""
    return json.dumps(body).encode()


def answered(
    protocol: PollProtocol, key: str, body: object, recv_ns: int = RECV_NS
) -> list[Action]:
    """All actions of one REST answer."""
    return list(protocol.fetched(key, encoded(body), recv_ns))


def poll_named(polls: list[PollPlan], name: str) -> PollPlan:
    """The poll of this name."""
    (found,) = (poll for poll in polls if poll.name == f"binance_derivatives/{name}")
    return found
