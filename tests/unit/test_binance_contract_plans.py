"""What a configuration of USD-M needs: streams by route, polls, instruments, recordings."""

from dataclasses import replace
from typing import Any

import pytest

from mprism.feeds.binance.venue import BINANCE_DERIVATIVES, BINANCE_SPOT
from mprism.feeds.instrument import Instrument, select
from mprism.feeds.protocol import Continuity, Request
from mprism.feeds.venue import Plan
from mprism.schema import FundingRate
from mprism.settings import DEFAULTS, ExchangeSettings, PollingSettings
from mprism.state import StreamState
from tests.unit.binance_contracts import (
    BTC_DATED,
    PUSHED,
    adjusted,
    answered,
    encoded,
    force_order,
    listed,
    mark_price,
    open_interest,
    poll_named,
    ratio,
)
from tests.unit.binance_payloads import BTC_USDM, ETH_USDM, RECV_NS, told, wrapped

ALL = DEFAULTS["binance_derivatives"]
BTC = replace(BTC_USDM, funding_interval_hours=8)
ETH = replace(ETH_USDM, funding_interval_hours=4)


def planned(settings: ExchangeSettings, *instruments: Instrument) -> Plan:
    listed_ones = {each.instrument_id: each for each in (BTC, ETH, BTC_DATED)}
    return BINANCE_DERIVATIVES.plan(settings, instruments, listed_ones)


def test_streams_are_on_the_route_that_delivers_them() -> None:
    books, market = planned(ALL, BTC, BTC_DATED).connections
    assert books.url == "wss://fstream.binance.com/public/stream"
    assert books.streams == ("btcusdt@depth@100ms", "btcusdt_260925@depth@100ms")
    assert market.url == "wss://fstream.binance.com/market/stream"
    assert market.streams == (
        "btcusdt@aggTrade",
        "btcusdt@markPrice@1s",
        "btcusdt@forceOrder",
        "btcusdt_260925@aggTrade",
        "btcusdt_260925@forceOrder",
    )
    assert market.symbols == ("BTC-USDT", "BTC-USDT-260925")


def test_liquidations_of_all_symbols_are_one_stream() -> None:
    settings = ExchangeSettings(
        data_types=("trade", "liquidation"), liquidations="all", streams_per_connection=2
    )
    first, second = planned(settings, BTC, ETH).connections
    assert (first.streams, first.symbols) == (
        ("!forceOrder@arr", "btcusdt@aggTrade"),
        ("BTC-USDT",),
    )
    assert second.streams == ("ethusdt@aggTrade",)
    protocol = first.make_protocol(Continuity(), {})
    frame = wrapped("!forceOrder@arr", force_order(s="BTCUSDT_260925"))
    assert told(protocol.receive(frame, RECV_NS)) == [
        f"liquidation {PUSHED}-SELL-0.014-64700.50-0.014"
    ]


def test_everything_else_is_polled() -> None:
    plan = planned(ALL, BTC, BTC_DATED)
    assert [(poll.name, poll.url, poll.streams, poll.symbols) for poll in plan.polls] == [
        (
            "binance_derivatives/open_interest",
            "https://fapi.binance.com/fapi/v1/openInterest",
            ("BTCUSDT", "BTCUSDT_260925"),
            ("BTC-USDT", "BTC-USDT-260925"),
        ),
        # Dated contracts have no ratios and no funding.
        (
            "binance_derivatives/lsr_top_position",
            "https://fapi.binance.com/futures/data/topLongShortPositionRatio",
            ("BTCUSDT",),
            ("BTC-USDT",),
        ),
        (
            "binance_derivatives/lsr_all_account",
            "https://fapi.binance.com/futures/data/globalLongShortAccountRatio",
            ("BTCUSDT",),
            ("BTC-USDT",),
        ),
        (
            "binance_derivatives/funding_info",
            "https://fapi.binance.com/fapi/v1/fundingInfo",
            ("fundingInfo",),
            ("BTC-USDT",),
        ),
    ]
    assert {poll.exchange for poll in plan.polls} == {"binance_derivatives"}


@pytest.mark.parametrize(
    ("data_types", "instruments", "polls"),
    [
        (("orderbook", "trade", "liquidation"), (BTC,), []),
        (("open_interest",), (BTC,), ["open_interest"]),
        (("open_interest",), (), []),
        (("funding_rate",), (ETH,), ["funding_info"]),
        (("lsr_all_account", "lsr_all_account"), (BTC,), ["lsr_all_account"]),
        (("funding_rate", "lsr_top_position", "lsr_all_account"), (BTC_DATED,), []),
    ],
)
def test_only_what_is_configured_is_polled(
    data_types: tuple[Any, ...], instruments: tuple[Instrument, ...], polls: list[str]
) -> None:
    plan = planned(ExchangeSettings(data_types=data_types), *instruments)
    assert [poll.name.partition("/")[2] for poll in plan.polls] == polls


def test_what_is_polled_needs_no_connection() -> None:
    assert planned(ExchangeSettings(data_types=("open_interest",)), BTC).connections == []
    # As has a contract without funding.
    assert planned(ExchangeSettings(data_types=("funding_rate",)), BTC_DATED).connections == []


def test_periods_are_configuration() -> None:
    polling = PollingSettings(
        open_interest_seconds=30, ratio_seconds=120, ratio_period="15m", funding_info_seconds=600
    )
    settings = ExchangeSettings(
        data_types=ALL.data_types, polling=polling, rest_url="http://127.0.0.1:9002/"
    )
    polls = planned(settings, BTC).polls
    assert [poll.period_seconds for poll in polls] == [30, 120, 120, 600]
    assert polls[0].url == "http://127.0.0.1:9002/fapi/v1/openInterest"
    (wanted,) = poll_named(polls, "lsr_all_account").make_protocol(Continuity(), {}).begin(0)
    assert wanted.request.parameters["period"] == "15m"


def test_a_poll_may_be_silent_for_three_periods() -> None:
    for poll in planned(ALL, BTC, ETH).polls:
        states: dict[str, StreamState] = {}
        poll.make_protocol(Continuity(), states)
        assert tuple(states) == poll.streams
        for state in states.values():
            assert state == StreamState(acknowledged=True, patience=3 * poll.period_seconds)


def test_ratios_of_many_contracts_take_longer_than_their_period() -> None:
    many = [replace(BTC, instrument_id=f"A{n}USDT") for n in range(100)]
    for data_types, seconds in (
        (("lsr_top_position", "lsr_all_account"), 200.0),
        (("lsr_all_account",), 100.0),
        (("lsr_all_account", "open_interest"), 100.0),
    ):
        settings = ExchangeSettings(data_types=data_types)  # type: ignore[arg-type]
        poll = poll_named(planned(settings, *many).polls, "lsr_all_account")
        states: dict[str, StreamState] = {}
        poll.make_protocol(Continuity(), states)
        # Of 1,000 requests in 300 s, half are ours, and of those 40 % are for snapshots.
        assert states["A7USDT"].patience == pytest.approx(3 * seconds)
        assert poll.period_seconds == 60


@pytest.mark.parametrize(
    ("name", "body", "told_of"),
    [
        ("open_interest", open_interest(), [f"open_interest {PUSHED * 1_000_000}"]),
        ("lsr_top_position", [ratio()], [f"lsr_top_position {PUSHED * 1_000_000}"]),
        ("lsr_all_account", [ratio()], [f"lsr_all_account {PUSHED * 1_000_000}"]),
    ],
)
def test_a_poll_makes_protocols_that_share_what_outlives_them(
    name: str, body: object, told_of: list[str]
) -> None:
    poll = poll_named(planned(ALL, BTC).polls, name)
    continuity, states = Continuity(), dict[str, StreamState]()
    first = poll.make_protocol(continuity, states)
    assert told(answered(first, "BTCUSDT", body)) == told_of
    assert states["BTCUSDT"].messages == 1
    second = poll.make_protocol(continuity, states)
    assert told(answered(second, "BTCUSDT", body)) == []


def test_the_polled_intervals_reach_the_connections() -> None:
    plan = planned(ALL, BTC, ETH)
    market = plan.connections[1].make_protocol(Continuity(), {})

    def interval(symbol: str, time: int) -> int | None:
        event = mark_price(s=symbol, E=time)
        (message,) = market.receive(wrapped(f"{symbol.lower()}@markPrice@1s", event), RECV_NS)
        assert isinstance(message, FundingRate)
        return message.funding_interval_hours

    # As the instruments told at the start.
    assert (interval("BTCUSDT", PUSHED), interval("ETHUSDT", PUSHED)) == (8, 4)
    poll = poll_named(plan.polls, "funding_info").make_protocol(Continuity(), {})
    assert answered(poll, "fundingInfo", [adjusted("BTCUSDT", 2)]) == []
    later = PUSHED + 1_000
    assert (interval("BTCUSDT", later), interval("ETHUSDT", later)) == (2, 8)


def test_a_repeated_rate_is_published_as_often_as_configured() -> None:
    settings = ExchangeSettings(data_types=("funding_rate",), funding_repeat_seconds=5)
    (plan,) = planned(settings, BTC).connections
    protocol = plan.make_protocol(Continuity(), {})
    counts = [
        len(
            list(
                protocol.receive(
                    wrapped("btcusdt@markPrice@1s", mark_price(E=PUSHED + 1_000 * second)), RECV_NS
                )
            )
        )
        for second in range(11)
    ]
    assert counts == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def test_intervals_are_asked_for_where_rates_are_collected() -> None:
    exchange_info = Request("/fapi/v1/exchangeInfo")
    assert BINANCE_DERIVATIVES.instrument_requests(ALL) == (
        exchange_info,
        Request("/fapi/v1/fundingInfo", pool="funding"),
    )
    trades = ExchangeSettings(data_types=("trade",))
    assert BINANCE_DERIVATIVES.instrument_requests(trades) == (exchange_info,)
    for settings in (ALL, trades):
        for request in BINANCE_DERIVATIVES.instrument_requests(settings):
            assert request.pool in BINANCE_DERIVATIVES.limits


def test_the_pools_of_all_requests_have_limits() -> None:
    for poll in planned(ALL, BTC, ETH).polls:
        for wanted in poll.make_protocol(Continuity(), {}).begin(RECV_NS):
            assert wanted.request.pool in BINANCE_DERIVATIVES.limits


def test_symbols_are_what_the_exchange_says_they_are() -> None:
    spot = encoded({"symbols": [listed("BTCFDUSD", "BTC", quoteAsset="FDUSD")]})
    (instrument,) = BINANCE_SPOT.parse_instruments([spot]).instruments.values()
    assert (instrument.symbol, instrument.market_type) == ("BTC-FDUSD", "spot")
    dated = listed(
        "BTCUSDT_260925", "BTC", contractType="CURRENT_QUARTER", deliveryDate=1_790_323_200_000
    )
    bodies = [
        encoded({"symbols": [dated, listed("BTCUSDT", "BTC"), listed("BTCUSD1", "BTCUSD1")]}),
        encoded([adjusted("BTCUSDT", 4)]),
    ]
    found = BINANCE_DERIVATIVES.parse_instruments(bodies).instruments
    assert found["BTCUSDT_260925"] == Instrument(
        "binance_derivatives", "futures", "BTC-USDT-260925", "BTCUSDT_260925"
    )
    assert found["BTCUSDT"].funding_interval_hours == 4
    wanted = select(found, ["BTC-USDT-260925", "BTCUSDT"], "binance_derivatives")
    assert [each.instrument_id for each in wanted] == ["BTCUSDT_260925", "BTCUSDT"]


def test_a_replay_may_know_the_list_alone() -> None:
    bodies = [encoded({"symbols": [listed("BTCUSDT", "BTC")]})]
    (instrument,) = BINANCE_DERIVATIVES.parse_instruments(bodies).instruments.values()
    assert instrument.funding_interval_hours is None
    assert instrument.has_funding


def test_recorded_rates_and_liquidations_are_replayed() -> None:
    streams = ["btcusdt@markPrice", "ethusdt@markPrice@1s", "ethusdt@markPrice"]
    streams += ["btcusdt@forceOrder", "!forceOrder@arr", "!markPrice@arr@1s", "dogeusdt@forceOrder"]
    instruments = {each.instrument_id: each for each in (BTC, ETH)}
    protocol = BINANCE_DERIVATIVES.recorded(streams, instruments, ALL, Continuity())

    def replayed(stream: str, data: object) -> list[str]:
        return [line.split()[0] for line in told(protocol.receive(wrapped(stream, data), RECV_NS))]

    assert replayed("btcusdt@markPrice", mark_price()) == ["funding_rate"]
    assert replayed("ethusdt@markPrice@1s", mark_price(s="ETHUSDT")) == ["funding_rate"]
    assert replayed("ethusdt@markPrice", mark_price(s="ETHUSDT")) == ["not"]  # the same again
    assert replayed("btcusdt@forceOrder", force_order()) == ["liquidation"]
    assert replayed("!forceOrder@arr", force_order()) == []  # had it
    assert replayed("!forceOrder@arr", force_order(s="ETHUSDT")) == ["liquidation"]
    assert replayed("dogeusdt@forceOrder", force_order(s="DOGEUSDT")) == ["not"]
