"""Deribit's connection: calls and answers, heartbeats, channels that are refused."""

import math

import pytest

from mprism.feeds.deribit.channels import subscriptions
from mprism.feeds.deribit.connection import DeribitConnection
from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.errors import NetworkFault, Refused, Throttled
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import BookState, Continuity, Reject, Replace, Resubscribe, Send
from mprism.settings import ExchangeSettings
from mprism.state import StreamState
from tests.unit.deribit_payloads import (
    ALL,
    BTC,
    BTC_DATED,
    BTC_USDC,
    RECV_NS,
    Socket,
    answer,
    book_snapshot,
    encode,
    pushed,
    sent,
    ticker,
)

BOOK = "book.BTC-PERPETUAL.100ms"
CHANNELS = [
    BOOK,
    "trades.BTC-PERPETUAL.100ms",
    "ticker.BTC-PERPETUAL.agg2",
    "deribit_volatility_index.btc_usd",
    "deribit_volatility_index.eth_usd",
]


class Fresh:
    """A connection that was opened and has no answer yet."""

    def __init__(self, *data_types: str) -> None:
        settings = ExchangeSettings(data_types=data_types or ALL)  # type: ignore[arg-type]
        self.states: dict[str, StreamState] = {}
        self.connection = DeribitConnection(
            subscriptions(settings, [BTC]),
            settings,
            PublishedLiquidations(),
            Continuity(),
            self.states,
        )
        self.opening = list(self.connection.open())

    def frame(self, frame: str) -> list[object]:
        return list(self.connection.receive(frame, RECV_NS))


def test_heartbeats_are_set_before_everything_is_subscribed_to() -> None:
    fresh = Fresh()
    assert fresh.opening[0] == BookState("BTC-USD", False, "waiting for its first snapshot")
    assert sent(fresh.opening) == [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "public/set_heartbeat",
            "params": {"interval": 30},
        },
        {
            "jsonrpc": "2.0",
            "id": 3,
            "method": "public/subscribe",
            "params": {"channels": [*CHANNELS, "platform_state"]},
        },
    ]
    assert list(fresh.connection.unacknowledged) == [*CHANNELS, "platform_state"]
    assert list(fresh.states) == CHANNELS
    assert fresh.frame(answer(1, result="ok")) == []
    assert fresh.connection.unacknowledged
    assert fresh.frame(answer(3, result=["platform_state", *CHANNELS[::-1]])) == []
    assert not fresh.connection.unacknowledged
    assert all(state.acknowledged and not state.refused for state in fresh.states.values())


def test_streams_that_may_be_silent_are_waited_for() -> None:
    patience = {name.split(".")[0]: state.patience for name, state in Socket().states.items()}
    assert patience["trades"] == math.inf
    assert patience["book"] > patience["ticker"] > 0


def test_at_most_five_hundred_channels_are_asked_for_at_once() -> None:
    many = [
        Instrument(BTC.exchange, "perpetual", f"X{n}-USD", f"X{n}-PERPETUAL") for n in range(501)
    ]
    calls = sent(Socket(*many, data_types=["orderbook"]).opening)
    assert [len(call["params"]["channels"]) for call in calls[1:]] == [500, 2]
    assert len({call["id"] for call in calls}) == 3


def test_a_dated_future_has_no_funding_to_ask_for() -> None:
    assert list(Socket(BTC_DATED, data_types=["funding_rate"]).states) == []
    assert list(Socket(BTC_DATED, data_types=["open_interest"]).states) == [
        "ticker.BTC-25DEC26.agg2"
    ]


def test_trades_and_liquidations_come_on_one_channel() -> None:
    states = Socket(BTC, BTC_USDC, data_types=["trade", "liquidation"]).states
    assert list(states) == ["trades.BTC-PERPETUAL.100ms", "trades.BTC_USDC-PERPETUAL.100ms"]
    assert list(Socket(data_types=["liquidation"]).states) == ["trades.BTC-PERPETUAL.100ms"]


def test_a_channel_that_is_left_out_is_refused_and_not_waited_for() -> None:
    fresh = Fresh()
    reason = "left out of the exchange's answer"
    assert fresh.frame(answer(3, result=CHANNELS[2:])) == [
        Reject("subscription refused", f"{BOOK}: {reason}"),
        Resubscribe(BOOK, 0, refused=True),
        BookState("BTC-USD", False, reason),
        Reject("subscription refused", f"{CHANNELS[1]}: {reason}"),
        Resubscribe(CHANNELS[1], 0, refused=True),
        Reject("subscription refused", f"platform_state: {reason}"),
    ]
    assert not fresh.connection.unacknowledged
    assert fresh.states[BOOK].refused == fresh.states[CHANNELS[1]].refused == reason
    assert not fresh.states[BOOK].acknowledged
    assert fresh.states[CHANNELS[2]].refused is None


def test_a_connection_whose_channels_are_all_left_out_is_refused() -> None:
    fresh = Fresh()
    with pytest.raises(Refused, match=r"book\.BTC-PERPETUAL"):
        fresh.frame(answer(3, result=["platform_state"]))


def test_an_answer_that_is_none_ends_the_connection() -> None:
    for result in ("ok", [1], None):
        with pytest.raises(NetworkFault, match="subscription"):
            Fresh().frame(answer(3, result=result))


@pytest.mark.parametrize("number", [3, None])
@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (13778, "raw_subscriptions_not_available_for_unauthorized", Refused),
        (-32602, "Invalid params", Refused),
        (11050, "bad_request", Refused),
        (10028, "too_many_requests", Throttled),
        (11051, "system_maintenance", NetworkFault),
    ],
)
def test_a_subscription_that_fails_ends_the_connection(
    number: int | None, code: int, message: str, kind: type[Exception]
) -> None:
    fresh = Fresh()
    with pytest.raises(kind, match=message) as raised:
        fresh.frame(answer(number, error={"code": code, "message": message, "data": {"a": 1}}))
    assert type(raised.value) is kind
    if isinstance(raised.value, Throttled):
        assert raised.value.retry_after_seconds == 2.0


def test_other_errors_and_answers_are_counted() -> None:
    socket = Socket()
    error = {"code": -32601, "message": "Method not found"}
    wrong = Reject("error answer", "code -32601, 'Method not found'")
    assert socket.frame(answer(99, error=error)) == [wrong]
    assert socket.frame(answer(None, error=error)) == [wrong]
    assert socket.frame(answer(1, error=error)) == [wrong]
    assert socket.frame(answer(99, result=[])) == [Reject("unknown answer", "id 99")]
    assert socket.frame(encode({"id": "3", "result": []})) == [Reject("unknown answer", "id '3'")]
    assert socket.frame("{}") == [Reject("unknown answer", "id None")]


def test_a_test_request_is_answered_at_once_and_is_no_data() -> None:
    socket = Socket()
    (test,) = socket.frame('{"params":{"type":"test_request"},"method":"heartbeat"}')
    assert isinstance(test, Send)
    assert test.urgent
    (call,) = sent([test])
    assert call["method"] == "public/test"
    assert socket.frame(answer(call["id"], result={"version": "1.2.26"})) == []
    assert socket.frame('{"params":{"type":"heartbeat"},"method":"heartbeat"}') == []
    assert socket.frame('{"method":"heartbeat"}') == []
    assert socket.continuity.messages == 0
    assert not any(state.messages for state in socket.states.values())


def test_maintenance_of_the_platform_replaces_the_connection() -> None:
    socket = Socket()
    assert socket.push("platform_state", {"price_index": "btc_usd", "locked": True}) == []
    assert socket.push("platform_state", {"maintenance": False}) == []
    assert socket.push("platform_state", {"maintenance": True, "zz": 1}) == [
        Replace("the exchange announced its maintenance")
    ]
    # The next connection is told the same, and must not be replaced for it.
    assert socket.push("platform_state", {"maintenance": True}) == []
    (reject,) = socket.push("platform_state", {"maintenance": "soon"})
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed event"
    assert socket.continuity.messages == 0


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("hello", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        ("[1]", "not an object"),
        ('{"params":3}', "malformed frame"),
        ('{"method":"surprise"}', "unknown event"),
        (pushed("book.ETH-PERPETUAL.100ms", {}), "not subscribed"),
        ('{"method":"subscription"}', "not subscribed"),
        (pushed(BOOK, book_snapshot(1, bids=None, asks=1, timestamp="1")), "malformed event"),
        (pushed(BOOK, book_snapshot(1, instrument_name="ETH-PERPETUAL")), "malformed event"),
        (pushed(CHANNELS[1], {"trades": []}), "malformed event"),
        (pushed(CHANNELS[2], ticker(timestamp=-1)), "malformed event"),
        (pushed(CHANNELS[2], ticker(instrument_name="ETH-PERPETUAL")), "malformed event"),
    ],
)
def test_what_cannot_be_read_is_rejected(frame: str, reason: str) -> None:
    socket = Socket()
    reject, *rest = socket.frame(frame)
    assert isinstance(reject, Reject)
    assert reject.reason == reason
    assert all(isinstance(action, BookState | Resubscribe) for action in rest)
    assert socket.continuity.messages == 0


def test_binary_frames_are_rejected() -> None:
    assert Socket().frame(b"{}") == [Reject("binary frame", "2 bytes")]
