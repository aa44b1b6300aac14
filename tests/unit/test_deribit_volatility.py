"""Deribit's volatility indexes: streamed values, and candles of the time before."""

from collections.abc import Sequence
from typing import Any

import pytest

from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import VolatilityIndex
from tests.unit.deribit_payloads import RECV_NS, TIME_MS, Socket, encode, raw

INDEX = "deribit_volatility_index.btc_usd"
MINUTE = 60_000
HOUR = 60 * MINUTE
BEGIN = TIME_MS - HOUR - (TIME_MS - HOUR) % MINUTE  # of what is asked for at the start

COMMON: dict[str, Any] = {
    "exchange": "deribit_derivatives",
    "market_type": "options",
    "symbol": "BTC",
    "instrument_id": "btc_usd",
    "currency": "BTC",
    "underlying_asset": "BTC",
    "index_name": "btc_usd",
}


class Index:
    """A connection with the index of BTC alone."""

    def __init__(self, continuity: Continuity | None = None) -> None:
        self.socket = Socket(
            data_types=["volatility_index"], volatility_indexes=("BTC",), continuity=continuity
        )

    def value(self, time: int = TIME_MS, **changes: Any) -> list[Action]:
        data = {"timestamp": time, "volatility": raw("45.30"), "index_name": "btc_usd", "zz": 0}
        return self.socket.push(INDEX, data | changes)

    def answer(self, *rows: object, continuation: object = None) -> list[Action]:
        result = {"data": rows, "continuation": continuation, "zz": 1}
        return self.body(encode({"jsonrpc": "2.0", "result": result}))

    def body(self, body: str) -> list[Action]:
        return list(self.socket.connection.fetched(INDEX, body.encode(), RECV_NS + 5))


def asked(begin: int, end: int, attempt: int = 0) -> Fetch:
    """A request for candles of this time."""
    parameters: dict[str, str | int] = {
        "currency": "BTC",
        "start_timestamp": begin,
        "end_timestamp": end,
        "resolution": "60",
    }
    path = "/api/v2/public/get_volatility_index_data"
    return Fetch(INDEX, Request(path, parameters, 500), attempt)


def candle(time: int, close: str = "45.2") -> list[Any]:
    return [time, raw("45.1"), raw("45.90"), raw("4.45e1"), raw(close)]


def candles(actions: Sequence[Action]) -> list[int]:
    """The times of the candles, which are all that there is."""
    assert all(isinstance(action, VolatilityIndex) and action.resolution for action in actions)
    return [a.ts_event // 1_000_000 for a in actions if isinstance(a, VolatilityIndex)]


def test_a_value_is_published() -> None:
    index = Index()
    message, _ = index.value()
    assert message == VolatilityIndex(
        **COMMON,
        timestamp="2026-09-23T03:24:00.638Z",
        ts_event=TIME_MS * 1_000_000,
        ts_recv=RECV_NS,
        volatility_index="45.30",
        open=None,
        high=None,
        low=None,
        close=None,
        resolution=None,
    )
    state = index.socket.states[INDEX]
    assert (state.messages, state.last_recv_ns) == (1, RECV_NS)
    assert index.socket.continuity.messages == 1


def test_the_first_value_asks_for_the_hour_before() -> None:
    assert Index().value()[1:] == [asked(BEGIN, TIME_MS)]


def test_a_candle_is_published() -> None:
    index = Index()
    index.value()
    (message,) = index.answer(candle(BEGIN))
    assert message == VolatilityIndex(
        **COMMON,
        timestamp="2026-09-23T02:24:00.000Z",
        ts_event=BEGIN * 1_000_000,
        ts_recv=RECV_NS + 5,
        volatility_index="45.2",
        open="45.1",
        high="45.90",
        low="44.5",
        close="45.2",
        resolution="60",
    )


def test_a_candle_in_fractions_is_published_in_percent_points() -> None:
    index = Index()
    index.value()
    row = [BEGIN, raw("0.212869011"), raw("0.212987527"), raw("2.1e-1"), raw("0.2129")]
    (message,) = index.answer(row)
    assert isinstance(message, VolatilityIndex)
    prices = (message.open, message.high, message.low, message.close)
    assert prices == ("21.2869011", "21.2987527", "21", "21.29")
    assert message.volatility_index == "21.29"


def test_only_complete_candles_are_published_in_their_order_and_once() -> None:
    index = Index()
    index.value()
    last = TIME_MS - TIME_MS % MINUTE  # it is not complete yet
    rows = [candle(last), candle(last - MINUTE), candle(last - 2 * MINUTE)]
    assert candles(index.answer(*rows)) == [last - 2 * MINUTE, last - MINUTE]
    # Nobody waits for an answer any more.
    assert index.answer(candle(last)) == []
    # The candle that a gap began in is asked for, and those behind it are new.
    later = TIME_MS + 2 * MINUTE
    assert index.value(later)[1:] == [asked(last, later)]
    assert candles(index.answer(candle(last - MINUTE), candle(last), candle(last + MINUTE))) == [
        last,
        last + MINUTE,
    ]


def test_values_close_to_each_other_ask_for_nothing() -> None:
    index = Index()
    index.value()
    index.answer()
    assert len(index.value(TIME_MS + MINUTE)) == 1
    assert len(index.value(TIME_MS + 2 * MINUTE + 1)) == 2


def test_a_new_connection_goes_on_where_the_last_one_ended() -> None:
    old = Index()
    old.value()
    old.answer(candle(BEGIN))
    new = Index(old.socket.continuity)
    assert new.value(TIME_MS) == []
    assert len(new.value(TIME_MS + 1_000)) == 1
    again = Index(old.socket.continuity)
    end = TIME_MS + 5 * MINUTE
    begin = TIME_MS + 1_000 - (TIME_MS + 1_000) % MINUTE
    assert again.value(end)[1:] == [asked(begin, end)]


def test_candles_that_were_not_had_are_asked_for_on_the_next_connection() -> None:
    old = Index()
    old.value()
    new = Index(old.socket.continuity)
    time = TIME_MS + 1_000
    assert new.value(time)[1:] == [asked(BEGIN, time)]
    assert len(new.value(time + 1_000)) == 1  # they are on their way
    assert candles(new.answer(candle(BEGIN))) == [BEGIN]
    assert len(Index(old.socket.continuity).value(time + 2_000)) == 1


def test_a_gap_that_waits_for_the_answer_about_another_is_not_forgotten() -> None:
    old = Index()
    old.value()
    later = TIME_MS + 2 * MINUTE
    old.value(later)
    old.answer(candle(BEGIN))
    (_, ask) = Index(old.socket.continuity).value(later + 1_000)
    assert isinstance(ask, Fetch)
    assert ask.request.parameters["start_timestamp"] <= TIME_MS  # type: ignore[operator]


def test_repeated_and_older_values_are_not_published() -> None:
    index = Index()
    index.value()
    assert index.value() == []
    assert index.value(TIME_MS - MINUTE + 1) == []
    assert index.socket.states[INDEX].messages == 3
    # So much older means that the last time was wrong.
    assert len(index.value(TIME_MS - MINUTE)) == 1


def test_pages_are_followed_backwards_before_anything_is_published() -> None:
    index = Index()
    index.value()
    middle = BEGIN + 30 * MINUTE
    assert index.answer(candle(middle + MINUTE), continuation=middle) == [asked(BEGIN, middle)]
    assert candles(index.answer(candle(BEGIN), candle(middle))) == [BEGIN, middle, middle + MINUTE]


@pytest.mark.parametrize("continuation", [BEGIN - 1, TIME_MS, TIME_MS + 1])
def test_pages_that_lead_nowhere_are_not_followed(continuation: int) -> None:
    index = Index()
    index.value()
    assert candles(index.answer(candle(BEGIN), continuation=continuation)) == [BEGIN]


def test_pages_are_bounded() -> None:
    index = Index()
    index.value()
    for page in range(1, 10):
        end = TIME_MS - page * MINUTE
        assert index.answer(continuation=end) == [asked(BEGIN, end)]
    assert candles(index.answer(candle(BEGIN), continuation=BEGIN + 1)) == [BEGIN]


def test_a_gap_while_candles_are_asked_for_is_asked_for_afterwards() -> None:
    index = Index()
    index.value()
    first, second = TIME_MS + 2 * MINUTE, TIME_MS + 4 * MINUTE
    assert len(index.value(first)) == 1
    assert len(index.value(second)) == 1
    begin = TIME_MS - TIME_MS % MINUTE
    event, more = index.answer(candle(BEGIN))
    assert isinstance(event, VolatilityIndex)
    assert more == asked(begin, second)
    assert index.answer() == []


@pytest.mark.parametrize(
    "row",
    [
        7,
        [],
        [BEGIN, 1.0, 2.0],
        [-1, 1.0, 1.0, 1.0, 1.0],
        [BEGIN, 45.0, None, 45.0, 45.0],
        [BEGIN, 45.0, "high", 45.0, 45.0],
        [BEGIN, 45.0, 45.0, 0.0, 45.0],
        [str(BEGIN), 45.0, 45.0, 45.0, 45.0],
    ],
)
def test_a_malformed_candle_costs_no_other(row: object) -> None:
    index = Index()
    index.value()
    reject, *rest = index.answer(row, candle(BEGIN))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed value"
    assert candles(rest) == [BEGIN]


@pytest.mark.parametrize("body", ["", "{}", "[1]", '{"result":{"data":5}}', "[" * 9_999])
def test_an_answer_that_cannot_be_read_is_asked_for_again(body: str) -> None:
    index = Index()
    index.value()
    reject, again = index.body(body)
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed value"
    assert again == asked(BEGIN, TIME_MS, attempt=1)
    assert index.body(body)[1] == asked(BEGIN, TIME_MS, attempt=2)
    assert index.answer(continuation=TIME_MS - 1) == [asked(BEGIN, TIME_MS - 1)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"volatility": None}, "malformed value"),
        ({"volatility": "high"}, "malformed value"),
        ({"volatility": 0}, "malformed value"),
        ({"volatility": -45.5}, "malformed value"),
        ({"timestamp": 1.5}, "malformed event"),
        ({"index_name": "eth_usd"}, "malformed event"),
    ],
)
def test_malformed_values_are_rejected(changes: dict[str, Any], reason: str) -> None:
    index = Index()
    (reject,) = index.value(**changes)
    assert isinstance(reject, Reject)
    assert reject.reason == reason
    assert index.socket.continuity.messages == 0
    assert len(index.value()) == 2
