"""Payloads as OKX sends them, and a connection to feed them to."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mprism.feeds.instrument import Instrument
from mprism.feeds.okx.channels import subscriptions
from mprism.feeds.okx.connection import OkxConnection
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Gap,
    Reject,
    Replace,
    Resubscribe,
    Send,
)
from mprism.schema import Event, OrderBook
from mprism.settings import DataType, ExchangeSettings
from mprism.state import StreamState

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
    "BTC-USD_UM-310404",
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


def told(actions: Iterable[Action]) -> list[str]:
    """Actions in short: `s7` and `u5>7` are a snapshot and an update of a book to id 7."""
    return [_told(action) for action in actions]


def _told(action: Action) -> str:
    match action:
        case OrderBook(update_type="snapshot"):
            return f"s{action.last_update_id}"
        case OrderBook():
            return f"u{action.prev_update_id}>{action.last_update_id}"
        case Event():
            return f"{action.data_type} {action.key()}"
        case Fetch():
            return f"fetch {action.key} {action.attempt}"
        case Resubscribe():
            return f"resubscribe {action.stream} {action.attempt}"
        case BookState():
            return "live" if action.live else f"out: {action.reason}"
        case Gap():
            return f"{action.data_type} gap {action.first_id}-{action.last_id}"
        case Reject() | Replace():
            return action.reason
        case Send():
            request = json.loads(action.frame)
            streams = [
                f"{arg['channel']}:{arg.get('instId') or arg['instType']}"
                for arg in request["args"]
            ]
            return f"{request['op']} {' '.join(streams)}"
    raise AssertionError(f"no action: {action!r}")


class Socket:
    """A connection that has asked for everything; `acknowledged` unless told otherwise."""

    def __init__(
        self,
        *instruments: Instrument,
        data_types: Sequence[DataType] = ("orderbook", "trade"),
        continuity: Continuity | None = None,
        acknowledged: bool = True,
        listed: Sequence[Instrument] = (),
        **settings: Any,
    ) -> None:
        self.settings = ExchangeSettings(data_types=tuple(data_types), **settings)
        self.continuity = continuity or Continuity()
        self.states: dict[str, StreamState] = {}
        self.wanted = subscriptions(
            self.settings,
            instruments or (SPOT, ETH_SPOT),
            {each.instrument_id: each for each in listed},
        )
        self.connection = OkxConnection(self.wanted, self.settings, self.continuity, self.states)
        self.opening = list(self.connection.open())
        if acknowledged:
            for stream in self.states:
                assert self.frame(event("subscribe", stream, id="1")) == []

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that were sent when it opened."""
        return [json.loads(action.frame) for action in self.opening if isinstance(action, Send)]

    def frame(self, frame: str | bytes | bytearray, recv_ns: int = RECV_NS) -> list[Action]:
        """All actions of one frame."""
        return list(self.connection.receive(frame, recv_ns))

    def push(self, stream: str, *rows: object, **more: object) -> list[Action]:
        """All actions of a push."""
        return self.frame(pushed(stream, *rows, **more))

    def fetched(self, key: str, body: bytes) -> list[Action]:
        """All actions of a REST answer."""
        return list(self.connection.fetched(key, body, RECV_NS))

    def resubscribe(self, stream: str, recv_ns: int = RECV_NS) -> list[Action]:
        """What ends a stream and asks for it anew."""
        return list(self.connection.resubscribe(stream, recv_ns))
