"""Single steps of the way of a message, in microseconds, without sockets."""

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import TypeVar

import msgspec

from benchmarks.laps import Frame, Json, Laps
from mprism.feeds.binance.venue import BINANCE_DERIVATIVES
from mprism.feeds.book import OrderBook
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity, Fetch, StreamProtocol
from mprism.schema import Event, Level, MessageEncoder
from mprism.schema import OrderBook as OrderBookEvent
from mprism.settings import ExchangeSettings, OrderBookSettings

T = TypeVar("T")

BOOK_UPDATE = "book update: 20 changes on 400 x 400, checked and applied"
WHOLE_UPDATE = "the same, from a Binance frame to the JSON message"

_LEVELS = 400
_CHANGES = 10  # a side
_UPDATES = 500
_FRAMES = 5_000
_REPEATS = 7
_NO_SNAPSHOTS = OrderBookSettings(snapshot_interval_seconds=3_600)


def microseconds(laps: Laps) -> dict[str, float]:
    """Each step's time, the best of several repeats."""
    frames = laps.frames(_FRAMES)
    books = [frame for frame in frames if "@depth" in frame.stream]
    trades = [frame for frame in frames if "@depth" not in frame.stream]
    updates = [e for e in _events(laps, books) if _is_update(e)]
    tops = [e for e in _events(laps, books, OrderBookSettings()) if not _is_update(e)]
    encode = MessageEncoder().encode
    top_book = _book()
    return {
        BOOK_UPDATE: _book_update(),
        WHOLE_UPDATE: _whole_update(),
        "recorded depth frame to event": _protocol(laps, books),
        "recorded aggTrade frame to event": _protocol(laps, trades),
        "update event to message": _each(encode, updates),
        "trade event to message": _each(encode, _events(laps, trades)),
        "400-level snapshot event to message": _each(encode, tops),
        "top 400 of both sides": _each(
            lambda depth: (top_book.bids.top(depth), top_book.asks.top(depth)), [_LEVELS] * 100
        ),
    }


def _is_update(event: Event) -> bool:
    return isinstance(event, OrderBookEvent) and event.update_type == "update"


def _each(function: Callable[[T], object], arguments: Sequence[T]) -> float:
    return _best(lambda: _time_each(function, arguments)) / len(arguments)


def _time_each(function: Callable[[T], object], arguments: Iterable[T]) -> float:
    start = perf_counter()
    for argument in arguments:
        function(argument)
    return perf_counter() - start


def _best(seconds: Callable[[], float]) -> float:
    """The least of several runs, in microseconds: what disturbs a run only ever adds."""
    return min(seconds() for _ in range(_REPEATS)) * 1e6


def _side(sign: int) -> list[Level]:
    return [(f"{30_000 + sign * (n + 1) * 0.5:.1f}", f"{n + 1}.250") for n in range(_LEVELS)]


def _book() -> OrderBook:
    book = OrderBook(_LEVELS)
    book.reset(_side(-1), _side(1), _LEVELS)
    return book


def _changes(number: int) -> tuple[list[Level], list[Level]]:
    """Ten changes a side: every second time two levels go, and come back the next time."""
    sides = []
    for side in (_side(-1), _side(1)):
        # Spread over the side, most of them near the best price.
        places = [(n * n * 3 + number // 2 * 7) % _LEVELS for n in range(_CHANGES)]
        changed = [(side[place][0], f"{number + 1}.500") for place in places]
        if number % 2 == 0:
            changed[1] = (changed[1][0], "0")
            changed[5] = (changed[5][0], "0")
        sides.append(changed)
    return sides[0], sides[1]


def _book_update() -> float:
    book = _book()
    updates = [_changes(number) for number in range(_UPDATES)]
    return _each(lambda update: book.apply(*update), updates)


def _whole_update() -> float:
    snapshot = {"lastUpdateId": 0, "T": 1, "bids": _side(-1), "asks": _side(1)}
    frames = []
    for number in range(_UPDATES):
        bids, asks = _changes(number)
        ids = {"U": number + 1, "u": number + 1, "pu": number}
        event = {"e": "depthUpdate", "E": 2, "T": 2, "s": "BTCUSDT", **ids, "b": bids, "a": asks}
        stream = "btcusdt@depth@100ms"
        frames.append(Frame(stream, msgspec.json.encode({"stream": stream, "data": event})))
    encode = MessageEncoder().encode

    def run() -> float:
        protocol = connection({"BTCUSDT": snapshot}, [frames[0].stream], _NO_SNAPSHOTS)
        texts = [frame.text.decode() for frame in frames]
        start = perf_counter()
        for text in texts:
            for action in protocol.receive(text, 1):
                if isinstance(action, Event):
                    encode(action)
        return perf_counter() - start

    return _best(run) / len(frames)


def connection(
    snapshots: dict[str, Json], streams: Iterable[str], settings: OrderBookSettings
) -> StreamProtocol:
    """A USD-M connection that is subscribed and has its snapshots."""
    names = list(streams)
    symbols = dict.fromkeys(name.partition("@")[0].upper() for name in names)
    instruments = {
        symbol: Instrument("binance_derivatives", "perpetual", symbol, symbol) for symbol in symbols
    }
    connection = BINANCE_DERIVATIVES.recorded(
        names, instruments, ExchangeSettings(orderbook=settings), Continuity()
    )
    list(connection.open())
    for action in list(connection.receive('{"result":null,"id":1}', 1)):
        if isinstance(action, Fetch):
            snapshot = snapshots[str(action.request.parameters["symbol"])]
            list(connection.fetched(action.key, msgspec.json.encode(snapshot), 1))
    return connection


def _actions(
    laps: Laps, frames: Sequence[Frame], settings: OrderBookSettings
) -> tuple[list[Action], float]:
    streams = dict.fromkeys(frame.stream for frame in frames)
    protocol = connection(laps.snapshots, streams, settings)
    texts = [frame.text.decode() for frame in frames]
    actions: list[Action] = []
    start = perf_counter()
    for text in texts:
        actions.extend(protocol.receive(text, 1))
    return actions, perf_counter() - start


def _protocol(laps: Laps, frames: Sequence[Frame]) -> float:
    return _best(lambda: _actions(laps, frames, _NO_SNAPSHOTS)[1]) / len(frames)


def _events(
    laps: Laps, frames: Sequence[Frame], settings: OrderBookSettings = _NO_SNAPSHOTS
) -> list[Event]:
    actions, _ = _actions(laps, frames, settings)
    return [action for action in actions if isinstance(action, Event)]
