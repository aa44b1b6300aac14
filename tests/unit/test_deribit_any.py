"""Whatever a Deribit connection or answer holds, nothing but the feeds' own errors comes of it."""

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mprism.feeds.errors import FeedError
from mprism.feeds.protocol import Action, Reject
from tests.unit.deribit_payloads import (
    BTC,
    BTC_USDC,
    REASONS,
    RECV_NS,
    Socket,
    book_change,
    book_snapshot,
    encode,
    pushed,
    ticker,
    trade,
)
from tests.unit.test_deribit_liquidation_poll import Poll
from tests.unit.test_deribit_volatility import INDEX, Index, candle

BOOK = "book.BTC-PERPETUAL.100ms"
TRADES = "trades.BTC-PERPETUAL.100ms"
TICKER = "ticker.BTC-PERPETUAL.agg2"

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["new", "delete", "snapshot", "change", "BTC-PERPETUAL", "T", "buy"]),
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
_PAYLOADS: dict[str, list[dict[str, Any]]] = {
    BOOK: [book_snapshot(100), book_change(100, 200)],
    TRADES: [trade(1, liquidation="MT")],
    TICKER: [ticker()],
    INDEX: [{"timestamp": 1_790_000_000_000, "volatility": 45.5, "index_name": "btc_usd"}],
    "platform_state": [{"maintenance": False}],
}


def understood(actions: list[Action]) -> None:
    assert {action.reason for action in actions if isinstance(action, Reject)} <= REASONS


@st.composite
def broken_frames(draw: st.DrawFn) -> str:
    """A channel's data with one field exchanged, taken away, or all of it."""
    channel = draw(st.sampled_from(sorted(_PAYLOADS)))
    data = dict(draw(st.sampled_from(_PAYLOADS[channel])))
    field = draw(st.sampled_from([*data, ""]))
    if draw(st.booleans()):
        data.pop(field, None)
    else:
        data[field] = draw(_JSON)
    whole = draw(st.sampled_from([data, [data], draw(_JSON)]))
    return pushed(channel, [data] if channel == TRADES and whole is data else whole)


@settings(max_examples=400)
@given(st.lists(broken_frames(), max_size=4))
def test_any_broken_data_is_rejected_or_understood(frames: list[str]) -> None:
    socket = Socket(BTC, BTC_USDC)
    for frame in frames:
        understood(socket.frame(frame))


@given(st.one_of(st.text(), _JSON.map(encode)))
def test_any_text_is_rejected(frame: str) -> None:
    understood(Socket().frame(frame))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.one_of(st.integers(0, 5), _SCALARS),
            "method": st.one_of(st.sampled_from(["subscription", "heartbeat"]), _SCALARS),
            "params": _JSON,
            "result": _JSON,
            "error": st.one_of(
                _JSON, st.fixed_dictionaries({"code": _SCALARS, "message": st.text(max_size=4)})
            ),
        },
    )
)
def test_any_answer_is_understood_or_one_of_the_feeds_errors(frame: dict[str, Any]) -> None:
    socket = Socket()
    list(socket.connection.resubscribe(BOOK, RECV_NS))
    with suppress(FeedError):
        understood(socket.frame(encode(frame)))


@given(st.one_of(st.binary(), _JSON.map(lambda found: encode(found).encode())))
def test_any_answer_of_rest_is_understood_or_one_of_the_feeds_errors(body: bytes) -> None:
    index = Index()
    index.value()
    understood(list(index.socket.connection.fetched(INDEX, body, RECV_NS)))
    poll = Poll()
    poll.begin()
    with suppress(FeedError):
        understood(list(poll.protocol.fetched("BTC-PERPETUAL", body, RECV_NS)))


@given(st.lists(_JSON, max_size=3), _SCALARS)
def test_any_rows_of_rest_are_understood_or_one_of_the_feeds_errors(
    rows: list[Any], more: object
) -> None:
    index, poll = Index(), Poll()
    index.value()
    poll.begin()
    understood(index.answer(*rows, candle(1_790_000_000_000), continuation=more))
    body = encode({"result": {"trades": [*rows, trade(1, liquidation="M")], "has_more": more}})
    with suppress(FeedError):
        understood(poll.body(body))
