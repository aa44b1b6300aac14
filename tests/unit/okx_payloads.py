"""Instruments of OKX, and payloads as it sends them."""

import json
from typing import Any

from mprism.feeds.instrument import Instrument
from mprism.settings import DataType

RECV_NS = 1_790_133_841_000_000_000
TIME_MS = 1_790_133_840_638
TIME = "2026-09-23T03:24:00.638Z"
REASONS = {
    "binary frame",
    "invalid JSON",
    "not an object",
    "malformed frame",
    "malformed event",
    "malformed trade",
    "malformed levels",
    "malformed value",
    "malformed snapshot",
    "unknown event",
    "unknown answer",
    "unknown value",
    "error answer",
    "not subscribed",
    "subscription refused",
    "trade ids went back",
}
"""Every reason for which a frame or an answer is rejected."""

SPOT = Instrument("okx_spot", "spot", "BTC-USDT", "BTC-USDT")
ETH_SPOT = Instrument("okx_spot", "spot", "ETH-USDT", "ETH-USDT")
LINEAR = Instrument(
    "okx_derivatives",
    "perpetual",
    "BTC-USDT",
    "BTC-USDT-SWAP",
    contract_size="0.01",
    multiplier="0.01",
    has_funding=True,
)
INVERSE = Instrument(
    "okx_derivatives",
    "perpetual",
    "BTC-USD",
    "BTC-USD-SWAP",
    quantity_unit="contracts",
    contract_size="100",
    has_funding=True,
)
DATED = Instrument(
    "okx_derivatives",
    "futures",
    "BTC-USD-261225",
    "BTC-USD-261225",
    quantity_unit="contracts",
    contract_size="100",
)
XPERP = Instrument(
    "okx_derivatives",
    "futures",
    "BTC-USD_UM_XPERP-310404",
    "BTC-USD_UM_XPERP-310404",
    contract_size="0.0001",
    multiplier="0.0001",
    has_funding=True,
)
DERIVATIVES = (LINEAR, INVERSE, DATED, XPERP)
ALL: tuple[DataType, ...] = (
    "orderbook",
    "trade",
    "funding_rate",
    "open_interest",
    "liquidation",
)
UNANNOUNCED = {"zz": {"new": [1, "2"]}}


def place(instrument: Instrument) -> dict[str, Any]:
    """The fields that all messages of an instrument share."""
    return {
        "exchange": instrument.exchange,
        "market_type": instrument.market_type,
        "symbol": instrument.symbol,
        "instrument_id": instrument.instrument_id,
        "timestamp": TIME,
        "ts_event": TIME_MS * 1_000_000,
        "ts_recv": RECV_NS,
    }


def argument(stream: str) -> dict[str, str]:
    """The argument that stands for a stream."""
    channel, value = stream.split(":")
    return {"channel": channel, "instType" if channel == "liquidation-orders" else "instId": value}


def pushed(stream: str, *rows: object, **more: object) -> str:
    """A push of a stream."""
    return json.dumps({"arg": argument(stream), **more, "data": list(rows)})


def event(name: str, stream: str | None = None, **more: object) -> str:
    """An answer or a notice."""
    about = {} if stream is None else {"arg": argument(stream)}
    return json.dumps({**more, "event": name, **about, "connId": "a4d3ae55"})


def book(previous: int, last: int, **changes: Any) -> dict[str, Any]:
    """A message of `books`."""
    return {
        "asks": [["8477.1", "415", "0", "13"]],
        "bids": [["8476.9", "256", "0", "12"]],
        "ts": str(TIME_MS),
        "checksum": 0,
        "prevSeqId": previous,
        "seqId": last,
        **UNANNOUNCED,
    } | changes


def trade(trade_id: int, **changes: Any) -> dict[str, Any]:
    """An entry of `trades-all`."""
    return {
        "instId": "BTC-USDT",
        "tradeId": str(trade_id),
        "px": "42219.90",
        "sz": "0.12060306",
        "side": "buy",
        "source": "0",
        "ts": str(TIME_MS),
        **UNANNOUNCED,
    } | changes


def aggregate(trade_id: int, **changes: Any) -> dict[str, Any]:
    """An entry of `trades`."""
    return trade(trade_id) | {"count": "3", "seqId": 1234} | changes


def funding(**changes: Any) -> dict[str, Any]:
    """An entry of `funding-rate`, eight hours from one settlement to the next."""
    return {
        "formulaType": "noRate",
        "fundingRate": "0.0001875391284828",
        "fundingTime": "1790150400000",
        "impactValue": "",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "interestRate": "",
        "method": "current_period",
        "maxFundingRate": "0.00375",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": "1790179200000",
        "premium": "0.0001233824646391",
        "settFundingRate": "0.0001699799259033",
        "settState": "settled",
        "ts": str(TIME_MS),
        **UNANNOUNCED,
    } | changes


def interest(**changes: Any) -> dict[str, Any]:
    """An entry of `open-interest`."""
    return {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "oi": "2216113.01000000309",
        "oiCcy": "22161.1301000000309",
        "oiUsd": "1939251795.54769270396321",
        "ts": str(TIME_MS),
        **UNANNOUNCED,
    } | changes


def detail(**changes: Any) -> dict[str, Any]:
    """One liquidation of an entry of `liquidation-orders`."""
    return {
        "bkLoss": "0",
        "bkPx": "86000.5",
        "ccy": "",
        "posSide": "short",
        "side": "buy",
        "sz": "13",
        "ts": str(TIME_MS),
        **UNANNOUNCED,
    } | changes


def liquidated(*details: object, instrument: str = "BTC-USDT-SWAP") -> dict[str, Any]:
    """An entry of `liquidation-orders`."""
    family = instrument.removesuffix("-SWAP")
    return {
        "details": list(details),
        "instFamily": family,
        "instId": instrument,
        "instType": "SWAP",
        "uly": family,
        **UNANNOUNCED,
    }


def answer(*rows: object, code: str = "0", msg: str = "") -> bytes:
    """A REST answer."""
    return json.dumps({"code": code, "msg": msg, "data": list(rows)}).encode()
