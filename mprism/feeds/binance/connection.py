"""One Binance WebSocket connection of combined streams.

Requests and answers: binance-spot-api-docs "Live subscribing/unsubscribing to streams";
USD-M answers alike.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import msgspec

from mprism.feeds.binance.books import DepthBook
from mprism.feeds.binance.funding import Contracts, MarkPrices
from mprism.feeds.binance.liquidations import ForceOrders
from mprism.feeds.binance.market import Market
from mprism.feeds.binance.streams import StreamEvent, Subscription
from mprism.feeds.binance.trades import Trades
from mprism.feeds.binance.wire import (
    SERVER_SHUTDOWN,
    DepthEvent,
    ErrorBody,
    ForceOrderEvent,
    Frame,
    MarkPriceEvent,
    ServerShutdownEvent,
    decode_frame,
    decode_snapshot,
    explain,
)
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.errors import Refused
from mprism.feeds.protocol import (
    NOT_SUBSCRIBED,
    Action,
    BookState,
    Continuity,
    Reject,
    Replace,
    Send,
)
from mprism.settings import OrderBookSettings
from mprism.state import StreamState

# Well below any limit on a frame's length; a frame counts once, however many it asks for.
_STREAMS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True)
class _Stream:
    """What every frame of a stream needs, looked up once."""

    event: type[StreamEvent]
    symbol: str | None  # None: of all symbols
    state: StreamState
    # Takes events of that type only. A Reject means that the event cannot be used.
    follow: Callable[[Any, int], Iterable[Action] | Reject]


class BinanceConnection:
    """The rules of one connection. See `mprism.feeds.protocol.StreamProtocol`."""

    def __init__(
        self,
        market: Market,
        streams: Sequence[Subscription],
        settings: OrderBookSettings,
        continuity: Continuity,
        states: dict[str, StreamState],
        contracts: Contracts | None = None,
    ) -> None:
        """`states` gets an entry per stream and is kept up to date."""
        self._continuity = continuity
        self._contracts = contracts or Contracts()
        self._streams: dict[str, _Stream] = {}
        self._books: dict[str, DepthBook] = {}
        self._requests: dict[int, tuple[str, ...]] = {}
        for stream in streams:
            # No liquidation for hours is nothing unusual.
            state = StreamState(patience=inf if stream.event is ForceOrderEvent else 0.0)
            states[stream.stream] = state
            instrument = stream.instrument
            symbol = None if instrument is None else instrument.instrument_id
            follow = self._rule(stream, market, settings)
            self._streams[stream.stream] = _Stream(stream.event, symbol, state, follow)

    def _rule(
        self, stream: Subscription, market: Market, settings: OrderBookSettings
    ) -> Callable[[Any, int], Iterable[Action] | Reject]:
        """What follows the stream's events, with the state that it keeps of them."""
        contracts, continuity, instrument = self._contracts, self._continuity, stream.instrument
        if instrument is None:
            return ForceOrders(contracts.listed, continuity).follow
        symbol = instrument.instrument_id
        if stream.event is DepthEvent:
            book = DepthBook(instrument, market, settings, continuity)
            self._books[symbol] = book
            return book.update
        if stream.event is MarkPriceEvent:
            return MarkPrices(instrument, contracts, continuity).follow
        if stream.event is ForceOrderEvent:
            return ForceOrders({symbol: instrument}, continuity).follow
        return Trades(instrument, continuity).follow

    @property
    def unacknowledged(self) -> Sequence[str]:
        return [name for streams in self._requests.values() for name in streams]

    def open(self) -> Iterator[Action]:
        for book in self._books.values():
            yield BookState(book.instrument.symbol, False, "waiting for its first snapshot")
        names = tuple(self._streams)
        for number, start in enumerate(range(0, len(names), _STREAMS_PER_REQUEST), 1):
            part = names[start : start + _STREAMS_PER_REQUEST]
            self._requests[number] = part
            request = {"method": "SUBSCRIBE", "params": part, "id": number}
            yield Send(msgspec.json.encode(request).decode())

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
        if not isinstance(frame, str):
            return (Reject("binary frame", f"{len(frame)} bytes"),)
        try:
            message = decode_frame(frame)
        except UNDECODABLE as error:
            return (explain(frame, error, self._streams),)
        event = message.data
        if isinstance(event, ServerShutdownEvent) or message.event == SERVER_SHUTDOWN:
            return (Replace("the server announced its shutdown"),)
        if event is None:
            return self._answer(message)
        stream = self._streams.get(message.stream or "")
        if stream is None:
            return (Reject(NOT_SUBSCRIBED, repr(message.stream)),)
        if type(event) is not stream.event:
            return (Reject("malformed event", f"a {type(event).__name__} on {message.stream}"),)
        if stream.symbol is not None and event.symbol != stream.symbol:
            return (Reject("malformed event", f"{event.symbol!r} on {message.stream}"),)
        actions = stream.follow(event, recv_ns)
        if isinstance(actions, Reject):
            return (actions,)
        stream.state.messages += 1
        stream.state.last_recv_ns = recv_ns
        self._continuity.messages += 1
        return actions

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        book = self._books[key]
        try:
            snapshot = decode_snapshot(body)
        except UNDECODABLE as error:
            return (Reject("malformed snapshot", f"{key}: {error}"), *book.retry())
        return book.snapshot(snapshot, recv_ns)

    def resubscribe(self, stream: str, recv_ns: int) -> Iterable[Action]:
        return ()  # a book is mended by REST

    def republish(self, symbol: str, recv_ns: int) -> Iterable[Action]:
        for book in self._books.values():
            if book.instrument.symbol == symbol:
                return book.republish(recv_ns)
        return ()

    def _answer(self, message: Frame) -> Iterator[Action]:
        """An answer to a request of ours, in either of the shapes that errors have."""
        error = message.error
        if isinstance(error, str):
            error = ErrorBody(None, error)
        elif error is None and message.code is not None:
            error = ErrorBody(message.code, message.msg)
        number = message.id if isinstance(message.id, int) else None
        if error is not None:
            # Several errors carry no id; with a request open they can only mean that one.
            if number in self._requests or (message.id is None and self._requests):
                raise Refused(f"subscription refused: code {error.code}, {error.msg!r}")
            yield Reject("error answer", f"code {error.code}, {error.msg!r}")
            return
        acknowledged = self._requests.pop(number, None) if number is not None else None
        if acknowledged is None:
            yield Reject("unknown answer", f"id {message.id!r}")
            return
        for name in acknowledged:
            stream = self._streams[name]
            stream.state.acknowledged = True
            if stream.event is DepthEvent and stream.symbol is not None:
                yield from self._books[stream.symbol].begin()
