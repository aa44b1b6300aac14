"""What Binance sends, as structs: combined stream frames and REST answers.

Fields that are not used are not declared: Binance adds new ones at any time. Sources:
binance-spot-api-docs "WebSocket Streams" and the USD-M "Websocket Market Streams" pages.
"""

from collections.abc import Container
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from mprism.feeds.decoding import Id, Milliseconds, object_in
from mprism.feeds.protocol import NOT_SUBSCRIBED, Reject
from mprism.schema import Level

# Aggregates that the exchange declared void have -1 here, and no price.
PartId = Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class TradeEvent(Struct, tag_field="e", tag="trade", gc=False):
    """`<symbol>@trade`: one fill. On USD-M `X` tells fills of the book from others."""

    symbol: str = field(name="s")
    trade_id: Id = field(name="t")
    price: str = field(name="p")
    quantity: str = field(name="q")
    time: Milliseconds = field(name="T")
    buyer_is_maker: bool = field(name="m")
    origin: str = field(name="X", default="MARKET")


class AggregateTradeEvent(Struct, tag_field="e", tag="aggTrade", gc=False):
    """`<symbol>@aggTrade`: fills of one price and side, ids `f` to `l`."""

    symbol: str = field(name="s")
    trade_id: Id = field(name="a")
    price: str = field(name="p")
    quantity: str = field(name="q")
    first_id: PartId = field(name="f")
    last_id: PartId = field(name="l")
    time: Milliseconds = field(name="T")
    buyer_is_maker: bool = field(name="m")


class DepthEvent(Struct, tag_field="e", tag="depthUpdate", gc=False):
    """`<symbol>@depth`: absolute quantities of the levels that changed in ids `U` to `u`.

    USD-M adds the matching engine's time and `pu`, the `u` of the stream's previous event.
    Levels stay text until the event is applied to its book, which is where they are checked.
    """

    symbol: str = field(name="s")
    pushed: Milliseconds = field(name="E")
    first_id: Id = field(name="U")
    last_id: Id = field(name="u")
    bids: msgspec.Raw = field(name="b")
    asks: msgspec.Raw = field(name="a")
    time: Milliseconds | None = field(name="T", default=None)
    previous_id: Id | None = field(name="pu", default=None)


class MarkPriceEvent(Struct, tag_field="e", tag="markPriceUpdate", gc=False):
    """`<symbol>@markPrice`: prices and the running funding rate.

    Contracts without funding have `""` for the rate and 0 for its time.
    """

    symbol: str = field(name="s")
    time: Milliseconds = field(name="E")
    mark_price: str = field(name="p")
    rate: str = field(name="r")
    next_funding: Milliseconds = field(name="T")
    index_price: str = field(name="i", default="")


class ForceOrder(Struct, gc=False):
    """The order of a liquidation. `z` of `q` is filled until now, at `ap` on average."""

    symbol: str = field(name="s")
    side: str = field(name="S")
    quantity: str = field(name="q")
    time: Milliseconds = field(name="T")
    price: str = field(name="p", default="")
    average_price: str = field(name="ap", default="")
    filled_quantity: str = field(name="z", default="")
    status: str = field(name="X", default="")


class ForceOrderEvent(Struct, tag_field="e", tag="forceOrder", gc=False):
    """`<symbol>@forceOrder` or `!forceOrder@arr`. `st` tells USD-M (1) from COIN-M (2)."""

    order: ForceOrder = field(name="o")
    margin_type: int | None = field(name="st", default=None)

    @property
    def symbol(self) -> str:
        """The order's."""
        return self.order.symbol


class ServerShutdownEvent(Struct, tag_field="e", tag="serverShutdown", gc=False):
    """The server will close this connection."""


class ErrorBody(Struct):
    """An error, at the top of an answer or below its key `error`."""

    code: int | str | None = None
    msg: str = ""


class Frame(Struct):
    """Any text frame of a combined socket: an event, or an answer to a request of ours."""

    stream: str | None = None
    data: (
        TradeEvent
        | AggregateTradeEvent
        | DepthEvent
        | MarkPriceEvent
        | ForceOrderEvent
        | ServerShutdownEvent
        | None
    ) = None
    event: str | None = field(name="e", default=None)  # of a message that belongs to no stream
    id: int | str | None = None
    code: int | str | None = None
    msg: str = ""
    error: ErrorBody | str | None = None


class DepthSnapshot(Struct):
    """REST `depth`. `T` only on USD-M. A symbol never traded has id -1 and no levels."""

    last_update_id: Annotated[int, Meta(ge=-1, le=2**63 - 1)] = field(name="lastUpdateId")
    bids: list[Level]
    asks: list[Level]
    time: Milliseconds | None = field(name="T", default=None)


SERVER_SHUTDOWN = "serverShutdown"
"""`e` of the announcement that a server closes its connections; with or without a stream."""

decode_frame = msgspec.json.Decoder(Frame).decode
decode_snapshot = msgspec.json.Decoder(DepthSnapshot).decode

_EVENTS = frozenset(
    {"trade", "aggTrade", "depthUpdate", "markPriceUpdate", "forceOrder", "serverShutdown"}
)


def explain(frame: str, error: Exception, subscribed: Container[str]) -> Reject:
    """Why `frame` could not be decoded. Slow, and only for frames that were refused."""
    raw = object_in(frame)
    if isinstance(raw, Reject):
        return raw
    stream = raw.get("stream")
    if isinstance(stream, str) and stream not in subscribed:
        return Reject(NOT_SUBSCRIBED, repr(stream))
    data = raw.get("data")
    event = data.get("e") if isinstance(data, dict) else None
    if not isinstance(event, str):
        return Reject("malformed frame", str(error))
    if event not in _EVENTS:
        return Reject("unknown event", repr(event))
    return Reject("malformed event", f"{event}: {error}")
