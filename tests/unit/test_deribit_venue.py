"""Deribit as a venue: limits, what a configuration needs, failures, recordings."""

import json

import pytest

from mprism.feeds.deribit.venue import DERIBIT
from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.protocol import Continuity, Reject, Request
from mprism.feeds.weight import Budgets
from mprism.schema import FundingRate, Liquidation, Trade, VolatilityIndex
from mprism.settings import DEFAULTS, ExchangeSettings, PollingSettings
from tests.unit.deribit_payloads import (
    ALL,
    BTC,
    BTC_DATED,
    BTC_USDC,
    NAME,
    RECV_NS,
    TIME_MS,
    encode,
    pushed,
    ticker,
    trade,
)

LISTED = {each.instrument_id: each for each in (BTC, BTC_USDC, BTC_DATED)}
BOTH = (BTC, BTC_USDC)


def settings(**changes: object) -> ExchangeSettings:
    return ExchangeSettings(**({"data_types": ALL} | changes))  # type: ignore[arg-type]


def test_names_and_places() -> None:
    assert (DERIBIT.name, DERIBIT.recorded_as) == (NAME, "deribit")
    assert DERIBIT.rest_url(settings()) == "https://www.deribit.com"
    assert DERIBIT.rest_url(settings(rest_url="http://127.0.0.1:1")) == "http://127.0.0.1:1"
    assert (DERIBIT.connects.weight, DERIBIT.connects.seconds) == (32, 60.0)


def test_futures_are_asked_for_in_a_pool_of_their_own() -> None:
    (request,) = DERIBIT.instrument_requests(settings())
    assert request == Request(
        "/api/v2/public/get_instruments",
        {"currency": "any", "kind": "future", "expired": "false"},
        10_000,
        "instruments",
    )
    budgets = Budgets(DERIBIT.limits, 1.0)
    budgets.of("instruments").spend(request.weight, 100.0)
    assert budgets.of("instruments").delay(request.weight, 100.0) > 0
    assert budgets.of("weight").delay(500, 100.0) == 0


def test_the_answer_is_the_list_of_instruments() -> None:
    assert not DERIBIT.parse_instruments([b'{"result":[]}']).instruments


def test_twenty_requests_a_second_are_made_at_most() -> None:
    budget, now = Budgets(DERIBIT.limits, 1.0).of("weight"), 100.0
    made = 0
    while budget.delay(500, now) == 0:
        budget.spend(500, now)
        made += 1
    assert made == 20


def test_a_plan_of_everything() -> None:
    plan = DERIBIT.plan(settings(), BOTH, LISTED)
    (connection,) = plan.connections
    assert connection.name == "deribit_derivatives/public-1"
    assert connection.exchange == NAME
    assert connection.url == "wss://www.deribit.com/ws/api/v2"
    assert connection.symbols == ("BTC-USD", "BTC-USDC", "BTC", "ETH")
    assert connection.streams == (
        "book.BTC-PERPETUAL.100ms",
        "trades.BTC-PERPETUAL.100ms",
        "ticker.BTC-PERPETUAL.agg2",
        "book.BTC_USDC-PERPETUAL.100ms",
        "trades.BTC_USDC-PERPETUAL.100ms",
        "ticker.BTC_USDC-PERPETUAL.agg2",
        "deribit_volatility_index.btc_usd",
        "deribit_volatility_index.eth_usd",
    )
    assert connection.inbound_per_second == 3.0
    assert connection.keep_alive is None
    (poll,) = plan.polls
    assert poll.name == "deribit_derivatives/liquidation"
    assert poll.exchange == NAME
    assert poll.url.startswith("https://www.deribit.com/api/v2/public/get_last_trades")
    assert (poll.symbols, poll.streams) == (
        ("BTC-USD", "BTC-USDC"),
        ("BTC-PERPETUAL", "BTC_USDC-PERPETUAL"),
    )


def test_a_plan_follows_the_settings() -> None:
    configured = settings(
        data_types=("trade", "liquidation"),
        streams_per_connection=2,
        websocket_url="ws://127.0.0.1:1/",
        rest_url="http://127.0.0.1:2/",
        polling=PollingSettings(liquidation_seconds=7.0),
    )
    plan = DERIBIT.plan(configured, (*BOTH, BTC_DATED), LISTED)
    assert [(each.name, len(each.streams), each.url) for each in plan.connections] == [
        ("deribit_derivatives/public-1", 2, "ws://127.0.0.1:1/ws/api/v2"),
        ("deribit_derivatives/public-2", 1, "ws://127.0.0.1:1/ws/api/v2"),
    ]
    (poll,) = plan.polls
    assert poll.period_seconds == 7.0
    assert poll.url.startswith("http://127.0.0.1:2/api/")
    assert DERIBIT.plan(settings(data_types=("trade",)), BOTH, LISTED).polls == []


def test_connections_and_the_poll_share_what_was_published() -> None:
    plan = DERIBIT.plan(settings(data_types=("liquidation",)), (BTC,), LISTED)
    make, poll = plan.connections[0].make_protocol, plan.polls[0].make_protocol(Continuity(), {})
    frame = pushed("trades.BTC-PERPETUAL.100ms", [trade(11, liquidation="T")])
    (event,) = make(Continuity(), {}).receive(frame, RECV_NS)
    assert isinstance(event, Liquidation)
    # Also with the next connection.
    assert list(make(Continuity(), {}).receive(frame, RECV_NS)) == []
    list(poll.begin(RECV_NS))
    body = encode({"result": {"trades": [trade(11, liquidation="T")]}})
    assert list(poll.fetched("BTC-PERPETUAL", body.encode(), RECV_NS)) == []


def test_the_defaults_can_be_collected() -> None:
    assert DERIBIT.check(DEFAULTS["deribit_derivatives"]) is None
    assert DERIBIT.check(settings(volatility_indexes=("BTC", "eth", "SOL"))) is None


def test_what_cannot_be_collected_is_refused() -> None:
    for currency in ("BTC_USD", "btc.usd", "", "币安"):
        why = DERIBIT.check(settings(volatility_indexes=("BTC", currency)))
        assert why is not None
        assert all(word in why for word in ("volatility_indexes", repr(currency), "allowed"))


def test_an_index_is_collected_once() -> None:
    configured = settings(data_types=("volatility_index",), volatility_indexes=("BTC", "btc"))
    (connection,) = DERIBIT.plan(configured, BOTH, LISTED).connections
    assert connection.streams == ("deribit_volatility_index.btc_usd",)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (10028, "too_many_requests", Throttled),
        (10066, "too_many_concurrent_requests", Throttled),
        (13020, "not_found", NetworkFault),
        (-32602, "Invalid params", NetworkFault),
        ("odd", "", NetworkFault),
        (13009, "unauthorized", Refused),
        (13021, "forbidden", Refused),
        (99999, "unauthorized_in_new_words", Refused),
    ],
)
def test_failures_are_told_in_the_body(code: object, message: str, kind: type[FeedError]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "error": {"code": code, "message": message}})
    for status in (200, 400, 429):
        failure = DERIBIT.failure_of(status, body.encode())
        assert type(failure) is kind
        assert message in str(failure)
        if isinstance(failure, Throttled):
            assert failure.retry_after_seconds == 2.0


@pytest.mark.parametrize(
    "body", [b'{"result":[]}', b'{"error":null}', b"<html>", b"", b"\xff", b"[" * 9_999, b"[]"]
)
def test_other_bodies_tell_no_failure(body: bytes) -> None:
    assert DERIBIT.failure_of(503, body) is None


def test_the_channels_that_a_recorder_asked_for() -> None:
    def frame(method: str = "public/subscribe", **params: object) -> str:
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    assert DERIBIT.streams_of(frame(channels=["a", 7, "b"])) == ["a", "b"]
    assert DERIBIT.streams_of(frame("private/subscribe", channels=["a.raw"])) == ["a.raw"]
    assert DERIBIT.streams_of(frame("public/unsubscribe", channels=["a"])) == []
    assert DERIBIT.streams_of(frame("public/set_heartbeat", interval=30)) == []
    assert DERIBIT.streams_of(frame(channels="a")) == []
    assert DERIBIT.streams_of(json.dumps({"method": "public/subscribe", "params": [1]})) == []
    assert DERIBIT.streams_of("[1]") == []
    for wrong in ("hello", "[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            DERIBIT.streams_of(wrong)


def test_a_recorded_connection_has_one_channel_of_a_kind() -> None:
    channels = [
        "book.BTC-PERPETUAL.raw",
        "book.BTC-PERPETUAL.agg2",
        "book.BTC-PERPETUAL.none.10.100ms",
        "trades.BTC-PERPETUAL.agg2",
        "trades.BTC-PERPETUAL.raw",
        "trades.future.BTC.raw",
        "perpetual.BTC-PERPETUAL.100ms",
        "ticker.BTC-PERPETUAL.raw",
        "perpetual.BTC-25DEC26.raw",
        "ticker.ETH-PERPETUAL.raw",
        "deribit_volatility_index.btc_usd",
        "deribit_volatility_index.btc_usdc",
        "quote.BTC-PERPETUAL",
    ]
    protocol = DERIBIT.recorded(channels, LISTED, settings(), Continuity())
    used = [
        channel
        for channel in channels
        if not any(
            isinstance(action, Reject) and action.reason == "not subscribed"
            for action in protocol.receive(pushed(channel, {}), RECV_NS)
        )
    ]
    assert used == [
        "book.BTC-PERPETUAL.raw",
        "trades.BTC-PERPETUAL.raw",
        "ticker.BTC-PERPETUAL.raw",
        "deribit_volatility_index.btc_usd",
    ]


def test_everything_of_a_recorded_channel_is_read() -> None:
    channels = [
        "trades.BTC-PERPETUAL.100ms",
        "ticker.BTC-PERPETUAL.100ms",
        "deribit_volatility_index.eth_usd",
    ]
    protocol = DERIBIT.recorded(channels, LISTED, settings(data_types=("trade",)), Continuity())
    told, liquidated = protocol.receive(pushed(channels[0], [trade(11, liquidation="T")]), RECV_NS)
    assert isinstance(told, Trade)
    assert isinstance(liquidated, Liquidation)
    funding, _ = protocol.receive(pushed(channels[1], ticker()), RECV_NS)
    assert isinstance(funding, FundingRate)
    value = {"timestamp": TIME_MS, "volatility": 50.5, "index_name": "eth_usd"}
    index, _ = protocol.receive(pushed(channels[2], value), RECV_NS)
    assert isinstance(index, VolatilityIndex)
    assert (index.symbol, index.volatility_index) == ("ETH", "50.5")
