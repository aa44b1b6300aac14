"""Long/short ratios of USD-M: of the positions of top traders and of all accounts."""

from typing import Any

import pytest

from mprism.feeds.binance.ratios import RATIO_PATHS, RatioPoll, RatioType
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import AllAccountRatio, TopPositionRatio
from mprism.state import StreamState
from tests.unit.binance_contracts import PUSHED, answered, ratio
from tests.unit.binance_payloads import BTC_USDM, ETH_USDM, RECV_NS, told

FIVE_MINUTES = 300_000
TYPES = pytest.mark.parametrize("data_type", list(RATIO_PATHS))


def poll_of(
    data_type: RatioType = "lsr_top_position",
    period: str = "5m",
    continuity: Continuity | None = None,
) -> RatioPoll:
    instruments = {each.instrument_id: each for each in (BTC_USDM, ETH_USDM)}
    states = {instrument_id: StreamState() for instrument_id in instruments}
    return RatioPoll(data_type, period, instruments, continuity or Continuity(), states)


def times(actions: list[Action]) -> list[int]:
    """In periods after `PUSHED`."""
    found = [each for each in actions if isinstance(each, TopPositionRatio | AllAccountRatio)]
    return [(each.ts_event // 1_000_000 - PUSHED) // FIVE_MINUTES for each in found]


def at(*periods: int) -> list[dict[str, Any]]:
    return [ratio(PUSHED + number * FIVE_MINUTES) for number in periods]


@TYPES
def test_several_periods_of_each_contract_are_asked_for(data_type: RatioType) -> None:
    path = {
        "lsr_top_position": "/futures/data/topLongShortPositionRatio",
        "lsr_all_account": "/futures/data/globalLongShortAccountRatio",
    }[data_type]
    assert list(poll_of(data_type, "1h").begin(RECV_NS)) == [
        Fetch(
            symbol,
            Request(path, {"symbol": symbol, "period": "1h", "limit": 12}, pool="statistics"),
        )
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]


PLACE: dict[str, Any] = {
    "exchange": "binance_derivatives",
    "market_type": "perpetual",
    "symbol": "BTC-USDT",
    "instrument_id": "BTCUSDT",
    "timestamp": "2026-02-02T02:40:00.250Z",
    "ts_event": PUSHED * 1_000_000,
    "ts_recv": RECV_NS,
}


def test_a_row_is_a_ratio_of_the_positions_of_top_traders() -> None:
    # The shares of positions are called accounts, too.
    (message,) = answered(poll_of(), "BTCUSDT", [ratio(new=[1])])
    assert message == TopPositionRatio(
        **PLACE,
        long_short_ratio="1.4342",
        long_position_ratio="0.5892",
        short_position_ratio="0.4108",
        period="5m",
    )


def test_a_row_is_a_ratio_of_all_accounts() -> None:
    (message,) = answered(poll_of("lsr_all_account", "15m"), "BTCUSDT", [ratio(new={})])
    assert message == AllAccountRatio(
        **PLACE,
        long_short_ratio="1.4342",
        long_account_ratio="0.5892",
        short_account_ratio="0.4108",
        period="15m",
    )


@TYPES
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # As on COIN-M.
        (
            {
                "longAccount": None,
                "shortAccount": None,
                "longPosition": "0.6",
                "shortPosition": "0.4",
                "pair": "BTCUSDT",
            },
            ("1.4342", "0.6", "0.4"),
        ),
        # As it is sent, even if both are not 1 together.
        ({"shortAccount": "0.4238"}, ("1.4342", "0.5892", "0.4238")),
        ({"longAccount": "", "shortAccount": ""}, ("1.4342", "0.5892", "0.4108")),
        ({"longAccount": "0.7", "shortAccount": None}, ("1.4342", "0.5892", "0.4108")),
        (
            {"longShortRatio": "0.97", "longAccount": None, "shortAccount": None},
            ("0.97", "0.4924", "0.5076"),
        ),
        (
            {"longShortRatio": "0", "longAccount": "0", "shortAccount": "1"},
            ("0", "0", "1"),
        ),
        ({"symbol": None}, ("1.4342", "0.5892", "0.4108")),
    ],
)
def test_the_shares_of_a_ratio(
    data_type: RatioType, changes: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    for row in (ratio(**changes), {k: v for k, v in ratio(**changes).items() if v is not None}):
        (message,) = answered(poll_of(data_type), "BTCUSDT", [row])
        if isinstance(message, TopPositionRatio):
            shares = message.long_position_ratio, message.short_position_ratio
        else:
            assert isinstance(message, AllAccountRatio)
            shares = message.long_account_ratio, message.short_account_ratio
        assert (message.long_short_ratio, *shares) == expected


@TYPES
def test_what_is_new_is_published_in_the_order_of_time(data_type: RatioType) -> None:
    poll = poll_of(data_type)
    assert times(answered(poll, "BTCUSDT", at(1, 2, 3))) == [1, 2, 3]
    assert times(answered(poll, "BTCUSDT", at(1, 2, 3))) == []
    # A period that was missed comes with the next answer, whatever the order of its rows.
    assert times(answered(poll, "BTCUSDT", at(5, 3, 4, 5))) == [4, 5]
    assert answered(poll, "BTCUSDT", at(2)) == []
    assert times(answered(poll, "ETHUSDT", [ratio(symbol="ETHUSDT")])) == [0]
    assert poll.states["BTCUSDT"].messages == 4
    assert poll.states["BTCUSDT"].last_recv_ns == RECV_NS
    assert poll.continuity.messages == 5


def test_what_was_published_is_remembered_for_the_next_poll() -> None:
    continuity = Continuity()
    assert times(answered(poll_of(continuity=continuity), "BTCUSDT", at(1, 2))) == [1, 2]
    assert times(answered(poll_of(continuity=continuity), "BTCUSDT", at(1, 2, 3))) == [3]
    # Each kind of ratio for itself.
    other = poll_of("lsr_all_account", continuity=continuity)
    assert times(answered(other, "BTCUSDT", at(1, 2, 3))) == [1, 2, 3]


def test_no_rows_are_no_data() -> None:
    poll = poll_of()
    assert answered(poll, "BTCUSDT", []) == []
    assert poll.states["BTCUSDT"].messages == poll.continuity.messages == 0


@pytest.mark.parametrize(
    "row",
    [
        ratio(longShortRatio=""),
        ratio(longShortRatio="-1"),
        ratio(longShortRatio="NaN"),
        ratio(longShortRatio=1.4342),
        ratio(longShortRatio=None),
        ratio(longAccount="x"),
        ratio(longAccount="-0.1"),
        ratio(shortAccount="0,4"),
        ratio(shortAccount=0.4),
        ratio() | {"timestamp": "now"},
        ratio(timestamp=-1),
        ratio(timestamp=10**16),
        ratio(symbol="ETHUSDT"),
        ratio(symbol=7),
        {},
        [],
        None,
        7,
        "x",
    ],
)
def test_one_malformed_row_costs_only_itself(row: object) -> None:
    poll = poll_of()
    actions = answered(poll, "BTCUSDT", [*at(1), row, *at(2)])
    (reject,) = (action for action in actions if isinstance(action, Reject))
    assert reject.reason == "malformed value"
    assert reject.detail.startswith("BTCUSDT: ")
    assert times(actions) == [1, 2]
    # Alone it is no data.
    other = poll_of()
    assert told(answered(other, "BTCUSDT", [row])) == ["malformed value"]
    assert other.continuity.messages == 0


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"<html>", b"\xff", b"[" * 100_000, b'{"code":-1121,"msg":"x"}']
)
def test_what_is_no_list_is_rejected(body: bytes) -> None:
    assert told(poll_of().fetched("BTCUSDT", body, RECV_NS)) == ["malformed value"]


def test_a_time_that_was_wrong_does_not_end_the_ratios() -> None:
    poll = poll_of()
    answered(poll, "BTCUSDT", at(10_000))
    assert times(answered(poll, "BTCUSDT", at(1, 3, 2))) == [1, 2, 3]
    assert times(answered(poll, "BTCUSDT", at(1, 2, 3, 4))) == [4]


def test_rows_on_both_sides_of_a_long_pause_are_published_once() -> None:
    poll = poll_of()
    assert times(answered(poll, "BTCUSDT", at(0, 10_000))) == [0, 10_000]
    assert times(answered(poll, "BTCUSDT", at(0, 10_000, 10_001))) == [10_001]
