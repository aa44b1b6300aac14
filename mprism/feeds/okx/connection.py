"""One OKX WebSocket connection, of the public or the business socket.

Requests, answers and notices: OKX v5, "WebSocket": "Connect", "Subscribe", "Notification".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

from msgspec import Raw

from mprism.feeds.decimals import MalformedNumber
from mprism.feeds.decoding import UNDECODABLE, explain
from mprism.feeds.errors import NetworkFault, Refused
from mprism.feeds.okx import channels
from mprism.feeds.okx.books import WINDOW, Books, snapshot_of, snapshot_request
from mprism.feeds.okx.channels import Subscription
from mprism.feeds.okx.funding import Funding
from mprism.feeds.okx.liquidations import Liquidations
from mprism.feeds.okx.open_interest import OpenInterest
from mprism.feeds.okx.requests import Requests
from mprism.feeds.okx.trades import Trades, in_order
from mprism.feeds.okx.wire import Frame, Push, Unreadable, decode_frame
from mprism.feeds.protocol import (
    NOT_SUBSCRIBED,
    Action,
    BookState,
    Continuity,
    Reject,
    Replace,
    Resubscribe,
)
from mprism.feeds.streamed_book import StreamedBook
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

_PONG: Final = "pong"
_IGNORED: Final = frozenset({"channel-conn-count", "channel-conn-count-error"})
# Of the exchange itself or of the pace, not of what was asked for: another connection may do.
_PASSING: Final = frozenset({"50001", "50004", "50011", "50013", "50026", "60014", "63999"})
_PATIENCE: Final = {
    channels.BOOKS: 60.0,  # a still one is told of about once a minute
    # Alone on the business socket, which is replaced when nothing at all comes on it.
    channels.ALL_TRADES: 120.0,
    channels.TRADES: 120.0,
    channels.FUNDING: 120.0,  # pushed every 30 to 90 s
    channels.OPEN_INTEREST: 120.0,  # pushed when it changes
    channels.LIQUIDATIONS: inf,
}


class Reader(Protocol):
    """What makes events of the entries of one stream."""

    def read(self, raw: Raw, push: Push) -> Iterable[Action]:
        """What an entry leads to. Raises Unreadable, MalformedNumber or UNDECODABLE."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """What every frame of a stream needs, looked up once."""

    reader: Reader
    state: StreamState
    book: StreamedBook | None


class OkxConnection:
    """The rules of one connection. See `mprism.feeds.protocol.StreamProtocol`."""

    def __init__(
        self,
        streams: Sequence[Subscription],
        settings: ExchangeSettings,
        continuity: Continuity,
        states: dict[str, StreamState],
    ) -> None:
        """`states` gets an entry per stream and is kept up to date."""
        self._settings = settings
        self._continuity = continuity
        self._streams: dict[str, _Stream] = {}
        for subscription in streams:
            state = StreamState(patience=_PATIENCE.get(subscription.channel, 0.0))
            states[subscription.stream] = state
            self._streams[subscription.stream] = self._stream(subscription, state)
        self._requests = Requests({each.stream: each for each in streams})

    def _stream(self, subscription: Subscription, state: StreamState) -> _Stream:
        continuity, settings = self._continuity, self._settings
        if subscription.channel == channels.LIQUIDATIONS:
            all_listed = settings.liquidations == "all"
            liquidations = Liquidations(subscription.instruments, continuity, all_listed=all_listed)
            return _Stream(liquidations, state, None)
        (instrument,) = subscription.instruments.values()
        if subscription.channel == channels.BOOKS:
            book = StreamedBook(
                subscription.stream,
                instrument,
                settings.orderbook,
                continuity,
                window=WINDOW,
                snapshot_request=snapshot_request(instrument.instrument_id),
            )
            return _Stream(Books(book), state, book)
        if subscription.channel == channels.FUNDING:
            repeat_seconds = settings.funding_repeat_seconds
            return _Stream(Funding(instrument, continuity, repeat_seconds), state, None)
        if subscription.channel == channels.OPEN_INTEREST:
            return _Stream(OpenInterest(instrument, continuity), state, None)
        aggregated = subscription.channel == channels.TRADES
        return _Stream(Trades(instrument, continuity, aggregated=aggregated), state, None)

    @property
    def unacknowledged(self) -> Sequence[str]:
        return self._requests.unacknowledged

    def open(self) -> Iterator[Action]:
        for stream in self._streams.values():
            if stream.book is not None:
                yield from stream.book.begin()
        yield from self._requests.open()

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
        if not isinstance(frame, str):
            return (Reject("binary frame", f"{len(frame)} bytes"),)
        if frame == _PONG:
            return ()
        try:
            message = decode_frame(frame)
        except UNDECODABLE as error:
            return (explain(frame, error),)
        if message.event is not None:
            return self._event(message.event, message, recv_ns)
        if message.data is None:
            return (Reject("unknown answer", frame[:200]),)
        if message.arg is None:
            return (Reject("malformed frame", "data without arg"),)
        return self._push(message.arg.stream, Push(message.action, recv_ns), message.data)

    def _push(self, name: str, push: Push, rows: Sequence[Raw]) -> Sequence[Action]:
        stream = self._streams.get(name)
        if stream is None:
            return (Reject(NOT_SUBSCRIBED, repr(name)),)
        actions: list[Action] = []
        unreadable = 0
        is_list_of_trades = len(rows) > 1 and isinstance(stream.reader, Trades)
        for row in in_order(rows) if is_list_of_trades else rows:
            try:
                actions += stream.reader.read(row, push)
            except (*UNDECODABLE, MalformedNumber, Unreadable) as error:
                unreadable += 1
                actions.append(Reject(_reason(error), f"{name}: {error}"))
                if stream.book is not None:
                    actions += stream.book.malformed("a message was malformed")
        if unreadable < len(rows):
            self._note_data(name, stream, push.recv_ns)
        return actions

    def _note_data(self, name: str, stream: _Stream, recv_ns: int) -> None:
        state = stream.state
        state.messages += 1
        state.last_recv_ns = recv_ns
        self._continuity.messages += 1
        if not state.acknowledged:
            state.acknowledged = self._requests.has_data(name)

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        book = self._streams[key].book
        if book is None:
            return ()
        try:
            snapshot = snapshot_of(body)
        except (*UNDECODABLE, NetworkFault, Unreadable) as error:
            return (Reject("malformed snapshot", f"{key}: {error}"), *book.retry())
        return book.fetched(snapshot, recv_ns)

    def resubscribe(self, stream: str, recv_ns: int) -> Iterable[Action]:
        state, book = self._streams[stream].state, self._streams[stream].book
        if state.refused is not None:
            state.refused = None
            return self._requests.subscribe(stream, recv_ns)
        if book is None or not book.is_leaving:
            return ()  # it has come back meanwhile
        state.acknowledged = False
        return self._requests.resubscribe(stream, recv_ns)

    def republish(self, symbol: str, recv_ns: int) -> Iterable[Action]:
        for stream in self._streams.values():
            if stream.book is not None and stream.book.instrument.symbol == symbol:
                return stream.book.republish(recv_ns)
        return ()

    def _event(self, event: str, message: Frame, recv_ns: int) -> Iterable[Action]:
        code = str(message.code)
        if event in ("subscribe", "unsubscribe"):
            return self._acknowledge(event, message)
        if event == "error":
            return self._fail(code, message, recv_ns)
        if event == "notice" and code.startswith("64"):
            return (Replace(f"the exchange announced {code}: {message.msg}"),)
        if event in _IGNORED:
            return ()
        return (Reject("unknown event", f"{event!r}, code {code}"),)

    def _acknowledge(self, event: str, message: Frame) -> Iterable[Action]:
        name = "" if message.arg is None else message.arg.stream
        stream = self._streams.get(name)
        if stream is None:
            return (Reject(NOT_SUBSCRIBED, f"{event} of {name!r}"),)
        self._requests.answered(event, name)
        if event == "subscribe":
            stream.state.acknowledged = True
        elif stream.book is not None:
            stream.book.restart()
        return ()

    def _fail(self, code: str, message: Frame, recv_ns: int) -> Iterator[Action]:
        """An error: of a request if it can be told, else it is only counted."""
        text = f"code {code}, {message.msg!r}"
        id_ = None if message.id is None else str(message.id)
        verdict = self._requests.failed(id_, message.msg, recv_ns)
        if verdict is None:
            yield Reject("error answer", text)
            return
        if code in _PASSING:
            yield Replace(f"the exchange failed: {text}")
            return
        yield from verdict.sent
        for name in verdict.ended:
            if (book := self._streams[name].book) is not None:
                book.restart()
        for name in verdict.refused:
            yield from self._refuse(name, text)
        if verdict.refused and all(each.state.refused for each in self._streams.values()):
            raise Refused(f"every stream refused, at last {verdict.refused[-1]}: {text}")

    def _refuse(self, name: str, text: str) -> Iterator[Action]:
        stream = self._streams[name]
        stream.state.refused = text
        yield Reject("subscription refused", f"{name}: {text}")
        yield Resubscribe(name, 0, refused=True)
        if stream.book is not None:
            yield BookState(stream.book.instrument.symbol, False, f"refused: {text}")


def _reason(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return error.reason
    return "malformed value" if isinstance(error, MalformedNumber) else "malformed event"
