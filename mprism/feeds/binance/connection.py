"""One Binance WebSocket connection of combined streams.

Requests and answers: binance-spot-api-docs "Live subscribing/unsubscribing to streams";
USD-M answers alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from mprism.feeds.binance import trades
from mprism.feeds.binance.books import DepthBook
from mprism.feeds.binance.market import Market
from mprism.feeds.binance.wire import (
    SERVER_SHUTDOWN,
    AggregateTradeEvent,
    DepthEvent,
    ErrorBody,
    Frame,
    ServerShutdownEvent,
    TradeEvent,
    decode_frame,
    decode_snapshot,
    explain,
)
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.errors import Refused
from mprism.feeds.instrument import Instrument
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
class Subscription:
    """One stream: `<symbol>@trade`, `@aggTrade` or `@depth@100ms`."""

    stream: str
    instrument: Instrument
    is_book: bool

    @property
    def event(self) -> type[TradeEvent | AggregateTradeEvent | DepthEvent]:
        """What comes on it. Trades and aggregates must not mix: their ids count apart."""
        if self.is_book:
            return DepthEvent
        return AggregateTradeEvent if self.stream.endswith("@aggTrade") else TradeEvent


def subscriptions(
    market: Market, instruments: Iterable[Instrument], data_types: Iterable[str]
) -> list[Subscription]:
    """The streams of `data_types` of each instrument, in the order of the instruments."""
    suffixes = {"trade": market.trade_stream, "orderbook": "depth@100ms"}
    return [
        Subscription(f"{instrument.instrument_id.lower()}@{suffixes[kind]}", instrument, is_book)
        for instrument in instruments
        for kind in data_types
        for is_book in (kind == "orderbook",)
    ]


@dataclass(frozen=True, slots=True)
class _Stream:
    """What every frame of a stream needs, looked up once."""

    event: type[TradeEvent | AggregateTradeEvent | DepthEvent]
    instrument: Instrument
    state: StreamState


class BinanceConnection:
    """The rules of one connection. See `mprism.feeds.protocol.StreamProtocol`."""

    def __init__(
        self,
        market: Market,
        streams: Sequence[Subscription],
        settings: OrderBookSettings,
        continuity: Continuity,
        states: dict[str, StreamState],
    ) -> None:
        """`states` gets an entry per stream and is kept up to date."""
        self._continuity = continuity
        self._streams: dict[str, _Stream] = {}
        self._books: dict[str, DepthBook] = {}
        self._requests: dict[int, tuple[str, ...]] = {}
        for stream in streams:
            instrument, state = stream.instrument, StreamState()
            states[stream.stream] = state
            self._streams[stream.stream] = _Stream(stream.event, instrument, state)
            if stream.is_book:
                self._books[instrument.instrument_id] = DepthBook(
                    instrument, market, settings, continuity
                )

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
        if event.symbol != stream.instrument.instrument_id:
            return (Reject("malformed event", f"{event.symbol!r} on {message.stream}"),)
        if type(event) is not stream.event:
            return (Reject("malformed event", f"a {type(event).__name__} on {message.stream}"),)
        if not isinstance(event, DepthEvent) and (reject := trades.malformed(event)):
            return (reject,)
        stream.state.messages += 1
        stream.state.last_recv_ns = recv_ns
        self._continuity.messages += 1
        if isinstance(event, DepthEvent):
            return self._books[event.symbol].update(event, recv_ns)
        return trades.follow(event, stream.instrument, self._continuity, recv_ns)

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
            if stream.event is DepthEvent:
                yield from self._books[stream.instrument.instrument_id].begin()
