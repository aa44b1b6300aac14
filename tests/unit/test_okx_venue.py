"""OKX as a venue: connections, polls, limits, failures, recordings."""

import json
from typing import Any

import pytest

from mprism.feeds.errors import FeedError, NetworkFault, Throttled
from mprism.feeds.instrument import Instrument
from mprism.feeds.okx.ratios import Ratios
from mprism.feeds.okx.venue import OKX_DERIVATIVES, OKX_SPOT, OkxVenue
from mprism.feeds.protocol import Continuity
from mprism.feeds.registry import VENUES
from mprism.feeds.venue import KeepAlive, Plan
from mprism.feeds.weight import Budgets, Limit
from mprism.settings import DEFAULTS, ExchangeSettings, OrderBookSettings
from tests.unit.okx_payloads import (
    DATED,
    DERIVATIVES,
    ETH_SPOT,
    INVERSE,
    LINEAR,
    RECV_NS,
    SPOT,
    answer,
    book,
    pushed,
    trade,
)
from tests.unit.okx_socket import told

PUBLIC = "wss://ws.okx.com:8443/ws/v5/public"
BUSINESS = "wss://ws.okx.com:8443/ws/v5/business"


def planned(
    venue: OkxVenue, settings: ExchangeSettings, *instruments: Instrument, **listed: Instrument
) -> Plan:
    return venue.plan(settings, instruments, listed or {i.instrument_id: i for i in instruments})


def streams(plan: Plan) -> dict[str, list[str]]:
    return {connection.name: list(connection.streams) for connection in plan.connections}


def test_the_registry_has_both() -> None:
    assert VENUES["okx_spot"] is OKX_SPOT
    assert VENUES["okx_derivatives"] is OKX_DERIVATIVES
    assert [OKX_SPOT.name, OKX_DERIVATIVES.name] == ["okx_spot", "okx_derivatives"]
    assert OKX_SPOT.recorded_as == OKX_DERIVATIVES.recorded_as == "okx"


def test_the_plan_of_spot() -> None:
    plan = planned(OKX_SPOT, DEFAULTS["okx_spot"], SPOT, ETH_SPOT)
    assert plan.polls == []
    public, business = plan.connections
    assert streams(plan) == {
        "okx_spot/public-1": ["books:BTC-USDT", "books:ETH-USDT"],
        "okx_spot/business-1": ["trades-all:BTC-USDT", "trades-all:ETH-USDT"],
    }
    assert [public.url, business.url] == [PUBLIC, BUSINESS]
    for connection in plan.connections:
        assert connection.exchange == "okx_spot"
        assert connection.symbols == ("BTC-USDT", "ETH-USDT")
        assert connection.keep_alive == KeepAlive("ping", 20.0)
        assert connection.inbound_per_second == 3.0
        states: dict[str, Any] = {}
        protocol = connection.make_protocol(Continuity(), states)
        list(protocol.open())
        assert list(protocol.unacknowledged) == list(states) == list(connection.streams)


def test_the_plan_of_derivatives() -> None:
    settings = DEFAULTS["okx_derivatives"]
    plan = planned(OKX_DERIVATIVES, settings, LINEAR, DATED)
    assert streams(plan) == {
        "okx_derivatives/public-1": [
            "books:BTC-USDT-SWAP",
            "funding-rate:BTC-USDT-SWAP",
            "open-interest:BTC-USDT-SWAP",
            "books:BTC-USD-261225",
            "open-interest:BTC-USD-261225",
            "liquidation-orders:SWAP",
            "liquidation-orders:FUTURES",
        ],
        "okx_derivatives/business-1": [
            "trades-all:BTC-USDT-SWAP",
            "trades-all:BTC-USD-261225",
        ],
    }
    position, account = plan.polls
    assert [position.name, account.name] == [
        "okx_derivatives/lsr_top_position",
        "okx_derivatives/lsr_all_account",
    ]
    root = "https://www.okx.com/api/v5/rubik/stat/contracts"
    assert position.url == f"{root}/long-short-position-ratio-contract-top-trader"
    assert position.streams == ("BTC-USDT-SWAP", "BTC-USD-261225")
    assert position.symbols == ("BTC-USDT", "BTC-USD-261225")
    assert position.period_seconds == settings.polling.ratio_seconds
    states: dict[str, Any] = {}
    assert isinstance(account.make_protocol(Continuity(), states), Ratios)
    assert tuple(states) == account.streams


def test_aggregated_trades_are_public() -> None:
    settings = ExchangeSettings(data_types=("trade",), trades="aggregated")
    plan = planned(OKX_SPOT, settings, SPOT)
    assert streams(plan) == {"okx_spot/public-1": ["trades:BTC-USDT"]}


@pytest.mark.parametrize(
    ("instruments", "liquidations", "types"),
    [
        ([LINEAR], "symbols", ["SWAP"]),
        ([DATED], "symbols", ["FUTURES"]),
        ([LINEAR, INVERSE], "symbols", ["SWAP"]),
        ([DATED], "all", ["SWAP", "FUTURES"]),
    ],
)
def test_liquidations_are_asked_for_by_type(
    instruments: list[Instrument], liquidations: Any, types: list[str]
) -> None:
    settings = ExchangeSettings(data_types=("liquidation",), liquidations=liquidations)
    listed = {each.instrument_id: each for each in DERIVATIVES}
    (connection,) = OKX_DERIVATIVES.plan(settings, instruments, listed).connections
    assert list(connection.streams) == [f"liquidation-orders:{name}" for name in types]
    # Of all that are listed, the configured ones are named.
    expected = [i.symbol for i in instruments] if instruments != [DATED] else [DATED.symbol]
    assert list(connection.symbols) == expected


def test_no_connection_has_more_books_or_streams_than_it_may() -> None:
    instruments = [
        Instrument("okx_derivatives", "perpetual", f"A{n}-B", f"A{n}-B-SWAP") for n in range(60)
    ]
    settings = ExchangeSettings(data_types=("orderbook", "open_interest"))
    plan = planned(OKX_DERIVATIVES, settings, *instruments)
    books = [sum(s.startswith("books:") for s in c.streams) for c in plan.connections]
    assert books == [25, 25, 10]
    assert [len(c.streams) for c in plan.connections] == [50, 50, 20]
    assert [c.name for c in plan.connections] == [
        f"okx_derivatives/public-{number}" for number in (1, 2, 3)
    ]
    assert plan.connections[2].symbols == tuple(f"A{n}-B" for n in range(50, 60))
    few = ExchangeSettings(data_types=("orderbook", "open_interest"), streams_per_connection=40)
    plan = planned(OKX_DERIVATIVES, few, *instruments)
    assert [len(c.streams) for c in plan.connections] == [40, 40, 40]


def test_endpoints_can_be_replaced() -> None:
    settings = ExchangeSettings(
        data_types=("trade", "lsr_all_account"),
        websocket_url="ws://127.0.0.1:1/",
        rest_url="http://127.0.0.1:2",
    )
    plan = planned(OKX_DERIVATIVES, settings, LINEAR)
    assert plan.connections[0].url == "ws://127.0.0.1:1/ws/v5/business"
    assert plan.polls[0].url.startswith("http://127.0.0.1:2/api/v5/rubik/")
    assert OKX_SPOT.rest_url(settings) == "http://127.0.0.1:2"
    assert OKX_SPOT.rest_url(ExchangeSettings()) == "https://www.okx.com"


@pytest.mark.parametrize(("depth", "allowed"), [(1, True), (400, True), (401, False)])
def test_books_are_400_levels_deep(depth: int, allowed: bool) -> None:
    text = OKX_SPOT.check(ExchangeSettings(orderbook=OrderBookSettings(depth=depth)))
    assert text == (
        None if allowed else "orderbook.depth: 401 levels; allowed: at most 400 on okx_spot"
    )


def test_instruments_are_asked_for_by_type() -> None:
    requests = OKX_DERIVATIVES.instrument_requests(ExchangeSettings())
    assert [(r.path, r.parameters, r.pool) for r in requests] == [
        ("/api/v5/public/instruments", {"instType": name}, f"instruments:{name}")
        for name in ("SWAP", "FUTURES")
    ]
    (request,) = OKX_SPOT.instrument_requests(ExchangeSettings())
    assert request.parameters == {"instType": "SPOT"}


def test_every_request_counts_for_a_limit_of_its_own() -> None:
    budgets = Budgets(OKX_SPOT.limits, 1.0)
    for pool, limit in (
        ("weight", 20),
        ("books", 40),
        ("instruments:SWAP", 20),
        ("ratio:lsr_all_account:BTC-USDT-SWAP", 5),
    ):
        assert (budgets.of(pool).limit, budgets.of(pool).window_seconds) == (limit, 2.0)
    assert OKX_SPOT.connects == Limit(3, 1.0)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, answer(), None),
        (200, b'{"code":"0","data":[],"msg":""}', None),
        (200, answer(code="50011", msg="Too Many Requests"), Throttled),
        (429, answer(code="50011", msg="Too Many Requests"), Throttled),
        (200, answer(code="50061"), Throttled),
        (200, answer(code="51001", msg="Instrument ID does not exist"), NetworkFault),
        (503, answer(code="50001"), NetworkFault),
        (200, answer(code="50013"), NetworkFault),
        # Where the body says nothing, the status does.
        (429, b"", None),
        (502, b"<html>", None),
        (403, answer(code="50011"), None),
        (200, b"[]", None),
        (200, b"\xff", None),
        (200, b'{"x":' + b"[" * 100_000, None),
    ],
)
def test_failures_that_bodies_tell(status: int, body: bytes, kind: type[FeedError] | None) -> None:
    failure = OKX_SPOT.failure_of(status, body)
    assert type(failure) is (type(None) if kind is None else kind)
    if isinstance(failure, Throttled):
        assert failure.retry_after_seconds == 2.0
    if failure is not None:
        assert json.loads(body)["code"] in str(failure)


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (
            '{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},'
            '{"channel":"liquidation-orders","instType":"SWAP"}]}',
            ["books:BTC-USDT", "liquidation-orders:SWAP"],
        ),
        ('{"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}', []),
        ('{"op":"subscribe","args":{}}', []),
        ('{"op":"subscribe","args":[7]}', []),
        ('{"op":"subscribe"}', []),
        ("[]", []),
        ("ping", []),
    ],
)
def test_streams_of_a_recorded_request(frame: str, names: list[str]) -> None:
    assert OKX_SPOT.streams_of(frame) == names


@pytest.mark.parametrize("frame", ["", "{", "[" * 100_000])
def test_a_recorded_request_that_is_none(frame: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        OKX_SPOT.streams_of(frame)


RECORDED = ["books:BTC-USDT", "trades:BTC-USDT", "trades-all:BTC-USDT", "tickers:BTC-USDT"]


@pytest.mark.parametrize(
    ("trades", "there", "chosen"),
    [
        ("all", RECORDED, "trades-all:BTC-USDT"),
        ("aggregated", RECORDED, "trades:BTC-USDT"),
        ("all", RECORDED[:2], "trades:BTC-USDT"),
    ],
)
def test_a_recorded_connection_has_one_channel_of_trades(
    trades: Any, there: list[str], chosen: str
) -> None:
    settings = ExchangeSettings(trades=trades)
    protocol = OKX_SPOT.recorded(there, {"BTC-USDT": SPOT}, settings, Continuity())
    for stream in RECORDED[1:]:
        frame = pushed(stream, trade(1))
        is_chosen = told(protocol.receive(frame, RECV_NS)) == ["trade 1"]
        assert is_chosen is (stream == chosen)
    top = pushed("books:BTC-USDT", book(-1, 7), action="snapshot")
    assert told(protocol.receive(top, RECV_NS)) == ["live", "s7"]


def test_a_recorded_connection_has_liquidations_of_its_types() -> None:
    listed = {each.instrument_id: each for each in DERIVATIVES}
    there = ["liquidation-orders:SWAP", "open-interest:BTC-USD-261225", "books:BTC-USDT"]
    protocol = OKX_DERIVATIVES.recorded(there, listed, ExchangeSettings(), Continuity())
    list(protocol.open())
    assert sorted(protocol.unacknowledged) == sorted(there[:2])
    spot = OKX_SPOT.recorded(there, {"BTC-USDT": SPOT}, ExchangeSettings(), Continuity())
    list(spot.open())
    assert list(spot.unacknowledged) == ["books:BTC-USDT"]
