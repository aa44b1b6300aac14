"""One Deribit WebSocket connection: calls and their answers, heartbeats, and whose data is whose.

Source: docs.deribit.com, "JSON-RPC API" and "Notifications".
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Raw

from mprism.feeds.decoding import UNDECODABLE, explain
from mprism.feeds.deribit import calls
from mprism.feeds.deribit.books import BookChannel
from mprism.feeds.deribit.calls import Call, Calls
from mprism.feeds.deribit.channels import VOLATILITY, Stream, Subscription, stream_of
from mprism.feeds.deribit.failures import refusal_of
from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.deribit.ticker import TickerChannel
from mprism.feeds.deribit.trades import TradesChannel
from mprism.feeds.deribit.volatility import VolatilityChannel
from mprism.feeds.deribit.wire import ErrorBody, Frame, Params, PlatformState, decode_frame
from mprism.feeds.errors import NetworkFault, Refused
from mprism.feeds.protocol import NOT_SUBSCRIBED, Action, Continuity, Reject, Replace, Resubscribe
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

_PLATFORM: Final = "platform_state"
_MAINTENANCE_NS: Final = 600_000_000_000
_LEFT_OUT: Final = "left out of the exchange's answer"

_decode_platform = msgspec.json.Decoder(PlatformState).decode
_decode_names = msgspec.json.Decoder(list[str]).decode


class _Channel(Protocol):
    stream: Stream

    def receive(self, data: Raw, recv_ns: int) -> Iterator[Action]: ...


class DeribitConnection:
    """The rules of one connection. See `mprism.feeds.protocol.StreamProtocol`."""

    def __init__(
        self,
        wanted: Sequence[Subscription],
        settings: ExchangeSettings,
        published: PublishedLiquidations,
        continuity: Continuity,
        states: dict[str, StreamState],
    ) -> None:
        """`states` gets an entry per channel and is kept up to date."""
        self._calls = Calls()
        self._times = continuity.last_time
        self._channels: dict[str, _Channel] = {}
        self._books: dict[str, BookChannel] = {}
        self._indexes: dict[str, VolatilityChannel] = {}
        for each in wanted:
            stream = stream_of(each, continuity)
            states[each.channel] = stream.state
            self._channels[each.channel] = self._channel(stream, settings, published)

    def _channel(
        self, stream: Stream, settings: ExchangeSettings, published: PublishedLiquidations
    ) -> _Channel:
        name, kind = stream.wanted.channel, stream.wanted.kind
        if kind == "book":
            self._books[name] = BookChannel(stream, settings.orderbook)
            return self._books[name]
        if kind == "trades":
            return TradesChannel(stream, published)
        if kind == VOLATILITY:
            self._indexes[name] = VolatilityChannel(stream)
            return self._indexes[name]
        return TickerChannel(stream, settings.funding_repeat_seconds)

    @property
    def unacknowledged(self) -> Sequence[str]:
        return self._calls.unanswered

    def open(self) -> Iterator[Action]:
        for book in self._books.values():
            yield from book.begin()
        yield calls.set_heartbeat()
        yield from self._calls.subscribe((*self._channels, _PLATFORM))

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
        if not isinstance(frame, str):
            return (Reject("binary frame", f"{len(frame)} bytes"),)
        try:
            message = decode_frame(frame)
        except UNDECODABLE as error:
            return (explain(frame, error),)
        if message.method is None:
            return self._answer(message)
        params = message.params or Params()
        if message.method == "heartbeat":
            return (calls.test(),) if params.type == "test_request" else ()
        if message.method != "subscription":
            return (Reject("unknown event", repr(message.method)),)
        channel = self._channels.get(params.channel)
        if channel is not None:
            return channel.receive(params.data, recv_ns)
        if params.channel == _PLATFORM:
            return self._platform(params.data, recv_ns)
        return (Reject(NOT_SUBSCRIBED, repr(params.channel)),)

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        return self._indexes[key].fetched(body, recv_ns)

    def resubscribe(self, stream: str, recv_ns: int) -> Iterator[Action]:
        state, book = self._channels[stream].stream.state, self._books.get(stream)
        if state.refused is not None:
            state.refused = None
            yield from self._calls.subscribe((stream,))
        elif book is not None and book.is_leaving:
            # A subscription to what is subscribed to brings no snapshot.
            yield from self._calls.unsubscribe((stream,))
            yield from self._calls.subscribe((stream,))

    def republish(self, symbol: str, recv_ns: int) -> Iterator[Action]:
        for book in self._books.values():
            if book.stream.instrument.symbol == symbol:
                yield from book.republish(recv_ns)

    def _answer(self, message: Frame) -> Iterator[Action]:
        """An answer to a call of ours."""
        if calls.is_about_heartbeat(message.id):
            if message.error is not None:
                yield Reject("error answer", message.error.text)
            return
        if message.error is not None:
            yield from self._failed(message.id, message.error)
            return
        call = self._calls.answered(message.id)
        if call is None:
            yield Reject("unknown answer", f"id {message.id!r}")
        elif call.method == "public/subscribe":
            yield from self._subscribed(call, message.result)
        else:
            self._unsubscribed(call)

    def _failed(self, number: int | str | None, error: ErrorBody) -> Iterator[Action]:
        # What was not understood at all is answered without an id.
        call = self._calls.oldest() if number is None else self._calls.answered(number)
        if call is not None and call.method == "public/subscribe":
            raise refusal_of(error)
        yield Reject("error answer", error.text)

    def _subscribed(self, call: Call, result: Raw) -> Iterator[Action]:
        try:
            accepted = frozenset(_decode_names(result))
        except UNDECODABLE as error:
            raise NetworkFault(f"an answer that is none to a subscription: {error}") from error
        for name in call.channels:
            if name in accepted:
                self._note_accepted(name)
            else:
                yield from self._leave_out(name)
        states = [channel.stream.state for channel in self._channels.values()]
        if states and all(state.refused for state in states):
            raise Refused(f"all channels were {_LEFT_OUT}, among them {next(iter(self._channels))}")

    def _note_accepted(self, name: str) -> None:
        if channel := self._channels.get(name):
            channel.stream.state.acknowledged = True
            channel.stream.state.refused = None
        if book := self._books.get(name):
            # What was given up before is given up by now, even if that was answered by an error.
            book.unsubscribed()

    def _leave_out(self, name: str) -> Iterator[Action]:
        yield Reject("subscription refused", f"{name}: {_LEFT_OUT}")
        if channel := self._channels.get(name):
            channel.stream.state.acknowledged = False
            channel.stream.state.refused = _LEFT_OUT
            yield Resubscribe(name, 0, refused=True)
        if book := self._books.get(name):
            yield from book.refused(_LEFT_OUT)

    def _unsubscribed(self, call: Call) -> None:
        for name in call.channels:
            self._books[name].unsubscribed()

    def _platform(self, data: Raw, recv_ns: int) -> Iterator[Action]:
        """What the exchange says of itself: much of it is about single price indexes."""
        try:
            state = _decode_platform(data)
        except UNDECODABLE as error:
            yield Reject("malformed event", f"{_PLATFORM}: {error}")
            return
        if not state.maintenance:
            return
        # Once for a maintenance: it may be told to the next connection as well.
        told = self._times.get(_PLATFORM)
        if told is None or recv_ns - told > _MAINTENANCE_NS:
            self._times[_PLATFORM] = recv_ns
            yield Replace("the exchange announced its maintenance")
