"""Payloads as Binance sends them, and a connection to feed them to."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mprism.feeds.binance.connection import BinanceConnection
from mprism.feeds.binance.funding import Contracts
from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.binance.streams import Subscription, subscriptions
from mprism.feeds.binance.wire import DepthEvent, DepthSnapshot
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Gap,
    Reject,
    Replace,
    Send,
)
from mprism.schema import Event, Level, OrderBook
from mprism.settings import OrderBookSettings
from mprism.state import StreamState

REASONS = {
    "binary frame",
    "invalid JSON",
    "not an object",
    "malformed frame",
    "malformed event",
    "malformed trade",
    "malformed levels",
    "malformed snapshot",
    "unknown event",
    "unknown answer",
    "error answer",
    "not subscribed",
    "malformed value",
    "unknown value",
}
"""Every reason for which a frame or an answer is rejected."""

RECV_NS = 1_790_000_000_000_000_000
BTC_SPOT = Instrument("binance_spot", "spot", "BTC-USDT", "BTCUSDT")
ETH_SPOT = Instrument("binance_spot", "spot", "ETH-USDT", "ETHUSDT")
BTC_USDM = Instrument("binance_derivatives", "perpetual", "BTC-USDT", "BTCUSDT", has_funding=True)
ETH_USDM = Instrument("binance_derivatives", "perpetual", "ETH-USDT", "ETHUSDT", has_funding=True)
INSTRUMENTS = {SPOT.exchange: (BTC_SPOT, ETH_SPOT), USDM.exchange: (BTC_USDM, ETH_USDM)}


def wrapped(stream: str, data: object) -> str:
    """`data` in the frame of a combined stream."""
    return json.dumps({"stream": stream, "data": data})


def trade(trade_id: int = 1, **changes: Any) -> dict[str, Any]:
    """The data of a spot `@trade`."""
    event = {"e": "trade", "E": 1_700_000_000_002, "s": "BTCUSDT", "t": trade_id, "p": "27785.10"}
    return event | {"q": "0.01400000", "T": 1_700_000_000_001, "m": True, "M": True} | changes


def aggregate(trade_id: int = 1, **changes: Any) -> dict[str, Any]:
    """The data of an `@aggTrade`."""
    event = {"e": "aggTrade", "E": 1_700_000_000_002, "s": "BTCUSDT", "a": trade_id, "nq": "100"}
    event |= {"p": "27785.10", "q": "0.014", "f": 100, "l": 105, "T": 1_700_000_000_001}
    return event | {"m": False, "st": 1} | changes


def depth(first: int, last: int, **changes: Any) -> dict[str, Any]:
    """The data of a spot `@depth` that changes one level a side."""
    event = {"e": "depthUpdate", "E": 1_700_000_000_100, "s": "BTCUSDT", "U": first, "u": last}
    return event | {"b": [["100.00", "1.5"]], "a": [["101.00", "2.5"]]} | changes


def depth_usdm(first: int, last: int, previous: int | None, **changes: Any) -> dict[str, Any]:
    """The data of a USD-M `@depth`, with the engine's time and the chain's id."""
    chain = {} if previous is None else {"pu": previous}
    return depth(first, last) | {"T": 1_700_000_000_090, "ps": "BTCUSDT", "st": 1} | chain | changes


def snapshot(
    last_update_id: int,
    bids: Iterable[Sequence[str]] = (("100.00", "1"), ("99.00", "1")),
    asks: Iterable[Sequence[str]] = (("101.00", "1"), ("102.00", "1")),
    **changes: Any,
) -> bytes:
    """The answer of REST `depth`."""
    body = {"lastUpdateId": last_update_id, "bids": [*map(list, bids)], "asks": [*map(list, asks)]}
    return json.dumps(body | changes).encode()


def acknowledgement(number: int = 1) -> str:
    """The answer to a request that was understood."""
    return json.dumps({"result": None, "id": number})


def depth_event(
    first: int,
    last: int,
    previous: int | None = None,
    *,
    bids: Sequence[Level] = (("100.00", "1.5"),),
    asks: Sequence[Level] = (("101.00", "2.5"),),
    pushed: int = 1_700_000_000_100,
    time: int | None = None,
) -> DepthEvent:
    """A decoded `@depth` event."""
    return DepthEvent(
        symbol="BTCUSDT",
        pushed=pushed,
        first_id=first,
        last_id=last,
        bids=msgspec.Raw(msgspec.json.encode(bids)),
        asks=msgspec.Raw(msgspec.json.encode(asks)),
        time=time,
        previous_id=previous,
    )


def depth_snapshot(
    last_update_id: int,
    bids: Sequence[Level] = (("100.00", "1"), ("99.00", "1")),
    asks: Sequence[Level] = (("101.00", "1"), ("102.00", "1")),
    time: int | None = None,
) -> DepthSnapshot:
    """A decoded answer of REST `depth`."""
    return DepthSnapshot(last_update_id, list(bids), list(asks), time)


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
            return f"fetch {action.attempt}"
        case BookState():
            return "live" if action.live else f"out: {action.reason}"
        case Gap():
            return f"{action.data_type} gap {action.first_id}-{action.last_id}"
        case Reject() | Replace():
            return action.reason
        case Send():
            return "send"
    raise AssertionError(f"no action: {action!r}")


class Socket:
    """A connection with streams of two instruments, already asked for: books and trades."""

    def __init__(
        self,
        market: Market,
        settings: OrderBookSettings | None = None,
        continuity: Continuity | None = None,
        *,
        streams: Sequence[Subscription] | None = None,
        contracts: Contracts | None = None,
    ) -> None:
        self.market = market
        self.states: dict[str, StreamState] = {}
        self.continuity = Continuity() if continuity is None else continuity
        self.connection = BinanceConnection(
            market,
            streams or subscriptions(market, INSTRUMENTS[market.exchange], ("orderbook", "trade")),
            settings or OrderBookSettings(),
            self.continuity,
            self.states,
            contracts,
        )
        self.opening = list(self.connection.open())

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that were sent when it opened."""
        return [json.loads(action.frame) for action in self.opening if isinstance(action, Send)]

    def acknowledge(self) -> list[Action]:
        """The exchange acknowledges everything."""
        return self.receive(acknowledgement(1))

    def receive(self, frame: str | bytes | bytearray, recv_ns: int = RECV_NS) -> list[Action]:
        """All actions of one frame."""
        return list(self.connection.receive(frame, recv_ns))

    def event(self, stream: str, data: object) -> list[Action]:
        """All actions of one event of `stream`."""
        return self.receive(wrapped(stream, data))

    def snapshot(self, body: bytes, instrument_id: str = "BTCUSDT") -> list[Action]:
        """All actions of one REST answer."""
        return list(self.connection.fetched(instrument_id, body, RECV_NS))


def of_type(actions: Iterable[Action], *kinds: type[Any]) -> list[Any]:
    """The actions of these kinds."""
    return [action for action in actions if isinstance(action, kinds)]


def fetches(actions: Iterable[Action]) -> list[Fetch]:
    """The snapshots that were asked for."""
    return of_type(actions, Fetch)


def live_socket() -> Socket:
    """A spot connection, acknowledged, with a live book of BTC-USDT at id 100."""
    socket = Socket(SPOT)
    socket.acknowledge()
    socket.event("btcusdt@depth@100ms", depth(90, 100))
    assert told(socket.snapshot(snapshot(100))) == ["live", "s100"]
    return socket
