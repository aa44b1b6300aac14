"""Funding rates of USD-M: from the mark price stream, with the intervals of `fundingInfo`."""

from typing import Any

import pytest

from mprism.feeds.binance.funding import Contracts, FundingHours
from mprism.feeds.binance.market import USDM
from mprism.feeds.binance.streams import subscriptions
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.schema import FundingRate
from tests.unit.binance_contracts import BTC_DATED, HOUR, NEXT, PUSHED, mark_price
from tests.unit.binance_payloads import BTC_USDM, ETH_USDM, RECV_NS, Socket, told, wrapped

STREAM = "btcusdt@markPrice@1s"


def socket_of(
    hours: FundingHours | None = None,
    continuity: Continuity | None = None,
    repeat_seconds: float = 60.0,
) -> Socket:
    """A connection with the mark prices of two contracts."""
    contracts = Contracts({}, {"BTCUSDT": 8} if hours is None else hours, repeat_seconds)
    streams = subscriptions(USDM, [BTC_USDM, ETH_USDM], ["funding_rate"])
    return Socket(USDM, None, continuity, streams=streams, contracts=contracts)


def rates(actions: list[Action]) -> list[FundingRate]:
    assert all(isinstance(action, FundingRate) for action in actions)
    return [action for action in actions if isinstance(action, FundingRate)]


def test_a_mark_price_is_a_funding_rate() -> None:
    (message,) = socket_of().event(STREAM, mark_price(new=[1, {}]))
    assert message == FundingRate(
        exchange="binance_derivatives",
        market_type="perpetual",
        symbol="BTC-USDT",
        instrument_id="BTCUSDT",
        timestamp="2026-02-02T02:40:00.250Z",
        ts_event=1_770_000_000_250_000_000,
        ts_recv=RECV_NS,
        current_funding_rate="0.00010000",
        # `P` is the price that a delivery would settle at.
        estimated_funding_rate=None,
        funding_time="2026-02-02T00:00:00.000Z",
        next_funding_time="2026-02-02T08:00:00.000Z",
        funding_interval_hours=8,
        mark_price="65012.30000000",
        index_price="65000.10000001",
        premium_index="12.19999999",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"r": "-0.00250000"}, {"current_funding_rate": "-0.00250000"}),
        ({"r": "0.00000000"}, {"current_funding_rate": "0.00000000"}),
        ({"r": "-1e-7"}, {"current_funding_rate": "-0.0000001"}),
        ({"p": "64999"}, {"mark_price": "64999", "premium_index": "-1.10000001"}),
        ({"p": "65000.10000001"}, {"premium_index": "0.00000000"}),
        ({"i": ""}, {"index_price": None, "premium_index": None}),
        ({"i": "0.00000000"}, {"index_price": None, "premium_index": None}),
        ({"p": ""}, {"mark_price": None, "premium_index": None}),
        ({"p": "0"}, {"mark_price": None, "premium_index": None}),
        # Of before the integration of USD-M and COIN-M, and of COIN-M.
        ({"st": None, "ap": None, "P": None}, {"premium_index": "12.19999999"}),
        ({"st": 7, "ps": "BTCUSDT"}, {"current_funding_rate": "0.00010000"}),
    ],
)
def test_values_of_a_mark_price(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    data = {key: value for key, value in mark_price(**changes).items() if value is not None}
    (message,) = rates(socket_of().event(STREAM, data))
    for name, value in expected.items():
        assert getattr(message, name) == value


def test_a_mark_price_without_an_index() -> None:
    data = mark_price()
    del data["i"]
    (message,) = rates(socket_of().event(STREAM, data))
    assert (message.mark_price, message.index_price) == ("65012.30000000", None)
    assert message.premium_index is None


@pytest.mark.parametrize("changes", [{"r": ""}, {"T": 0}, {"r": "", "T": 0, "P": "65001.1"}])
def test_a_contract_without_funding_has_no_rate(changes: dict[str, Any]) -> None:
    socket = socket_of()
    assert socket.event(STREAM, mark_price(**changes)) == []
    # The stream works all the same.
    assert socket.states[STREAM].messages == socket.continuity.messages == 1


@pytest.mark.parametrize(
    ("hours", "interval", "last"),
    [
        ({"BTCUSDT": 4}, 4, "2026-02-02T04:00:00.000Z"),
        ({"BTCUSDT": 1}, 1, "2026-02-02T07:00:00.000Z"),
        ({"BTCUSDT": None}, None, None),
        ({"ETHUSDT": 4}, None, None),
    ],
)
def test_the_last_settlement_is_an_interval_before_the_next(
    hours: FundingHours, interval: int | None, last: str | None
) -> None:
    (message,) = rates(socket_of(hours).event(STREAM, mark_price()))
    assert (message.funding_interval_hours, message.funding_time) == (interval, last)
    assert message.next_funding_time == "2026-02-02T08:00:00.000Z"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"r": "abc"}, "malformed value"),
        ({"r": "NaN"}, "malformed value"),
        ({"r": "1_0"}, "malformed value"),
        ({"r": " 0.1"}, "malformed value"),
        ({"p": "x"}, "malformed value"),
        ({"p": "-1"}, "malformed value"),
        ({"i": "1e99"}, "malformed value"),
        ({"p": "1e40", "i": "1e-40"}, "malformed value"),
        ({"r": None}, "malformed event"),
        ({"r": 0.0001}, "malformed event"),
        ({"T": None}, "malformed event"),
        ({"T": "1770019200000"}, "malformed event"),
        ({"T": -1}, "malformed event"),
        ({"T": 10**16}, "malformed event"),
        ({"E": None}, "malformed event"),
        ({"E": 10**16}, "malformed event"),
        ({"p": None}, "malformed event"),
        ({"i": 65_000.1}, "malformed event"),
        ({"s": "ETHUSDT"}, "malformed event"),
        ({"s": None}, "malformed event"),
    ],
)
def test_a_malformed_mark_price_is_rejected(changes: dict[str, Any], reason: str) -> None:
    socket = socket_of()
    (reject,) = socket.event(STREAM, mark_price(**changes))
    assert isinstance(reject, Reject)
    assert reject.reason == reason
    assert socket.states[STREAM].messages == socket.continuity.messages == 0
    assert told(socket.event(STREAM, mark_price())) == [f"funding_rate {PUSHED * 1_000_000}"]


@pytest.mark.parametrize("key", ["s", "E", "p", "r", "T"])
def test_a_mark_price_lacks_a_field(key: str) -> None:
    data = mark_price()
    del data[key]
    assert told(socket_of().event(STREAM, data)) == ["malformed event"]


def times(socket: Socket, *events: dict[str, Any]) -> list[int]:
    """When, in ms after `PUSHED`, what was published of these events."""
    found = [rate for event in events for rate in rates(socket.event(STREAM, event))]
    return [rate.ts_event // 1_000_000 - PUSHED for rate in found]


def test_a_rate_is_published_on_change_and_once_a_minute() -> None:
    pushes = [mark_price(E=PUSHED + ms, p=f"65012.{ms}") for ms in range(0, 125_000, 1_000)]
    assert times(socket_of(), *pushes) == [0, 60_000, 120_000]
    assert times(socket_of(repeat_seconds=30.0), *pushes[:62]) == [0, 30_000, 60_000]
    changes = [
        mark_price(E=PUSHED + 1_000, r="0.00010001"),
        mark_price(E=PUSHED + 2_000, r="0.00010001"),
        mark_price(E=PUSHED + 3_000, r="0.00010001", T=NEXT + 8 * HOUR),
        mark_price(E=PUSHED + 4_000, r="0.00010001", T=NEXT + 8 * HOUR),
    ]
    assert times(socket_of(), mark_price(), *changes) == [0, 1_000, 3_000]


def test_a_new_interval_is_a_change_and_used_at_once() -> None:
    hours: FundingHours = {"BTCUSDT": 8}
    socket = socket_of(hours)
    assert times(socket, mark_price()) == [0]
    hours["BTCUSDT"] = 4
    (message,) = rates(socket.event(STREAM, mark_price(E=PUSHED + 1_000)))
    assert message.funding_interval_hours == 4
    assert message.funding_time == "2026-02-02T04:00:00.000Z"


def test_two_connections_publish_a_rate_once() -> None:
    continuity = Continuity()
    old, new = socket_of(continuity=continuity), socket_of(continuity=continuity)
    assert times(old, mark_price()) == [0]
    assert times(new, mark_price(), mark_price(E=PUSHED + 1_000)) == []
    assert times(new, mark_price(E=PUSHED + 60_000)) == [60_000]
    # What the old one brings late would go back in time.
    assert times(old, mark_price(E=PUSHED + 1_000, r="0.7")) == []


def test_only_contracts_with_funding_have_the_stream() -> None:
    chosen = subscriptions(USDM, [BTC_DATED, BTC_USDM], ["trade", "funding_rate"])
    assert [each.stream for each in chosen] == [
        "btcusdt_260925@aggTrade",
        "btcusdt@aggTrade",
        "btcusdt@markPrice@1s",
    ]


def test_a_mark_price_belongs_on_its_own_stream() -> None:
    socket = Socket(USDM)
    assert told(socket.event("btcusdt@aggTrade", mark_price())) == ["malformed event"]
    assert told(socket.receive(wrapped(STREAM, mark_price()))) == ["not subscribed"]
