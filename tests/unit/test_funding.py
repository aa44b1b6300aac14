"""When a funding rate is published."""

from typing import Any

import pytest

from mprism.feeds.funding import FundingRates
from mprism.schema import FundingRate, rfc3339

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def rate(seconds: float, current: str = "0.0001", **changes: Any) -> FundingRate:
    """A rate of BTCUSDT, so many seconds after the first one."""
    ts_event = START + round(seconds * SECOND)
    fields: dict[str, Any] = {
        "symbol": "BTC-USDT",
        "instrument_id": "BTCUSDT",
        "estimated_funding_rate": "0.0002",
        "next_funding_time": rfc3339(START + 3_600 * SECOND),
        "funding_interval_hours": 8,
        "mark_price": f"100.{seconds}",
    }
    return FundingRate(
        exchange="binance_derivatives",
        market_type="perpetual",
        timestamp=rfc3339(ts_event),
        ts_event=ts_event,
        ts_recv=ts_event,
        current_funding_rate=current,
        **fields | changes,
    )


def news(*rates: FundingRate, repeat_seconds: float = 60.0) -> list[bool]:
    known = FundingRates()
    return [known.is_news(each, repeat_seconds) for each in rates]


def test_a_rate_that_stays_the_same_is_news_once_in_a_period() -> None:
    rates = [rate(seconds) for seconds in range(0, 181, 3)]
    published = [
        seconds for seconds, is_news in zip(range(0, 181, 3), news(*rates), strict=True) if is_news
    ]
    assert published == [0, 60, 120, 180]


def test_a_period_begins_with_the_last_change() -> None:
    assert news(rate(0), rate(50, "0.0003"), rate(60, "0.0003"), rate(110, "0.0003")) == [
        True,
        True,
        False,
        True,
    ]
    assert news(rate(0), rate(1), rate(2), repeat_seconds=1.5) == [True, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"current_funding_rate": "-0.0001"},
        {"estimated_funding_rate": None},
        {"next_funding_time": rfc3339(START + 7_200 * SECOND)},
        {"funding_interval_hours": 4},
        {"funding_interval_hours": None},
    ],
)
def test_a_change_is_news(change: dict[str, Any]) -> None:
    changed = {"current": change.pop("current_funding_rate", "0.0001"), **change}
    assert news(rate(0), rate(1, **changed), rate(2, **changed), rate(3)) == [
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("change", [{"mark_price": "7"}, {"index_price": "7"}, {"ts_recv": 7}])
def test_a_price_that_changed_is_none(change: dict[str, Any]) -> None:
    event = rate(1)
    for name, value in change.items():
        setattr(event, name, value)
    assert news(rate(0), event) == [True, False]


def test_what_is_older_than_the_last_one_is_none() -> None:
    """As from a connection that is about to be replaced."""
    assert news(rate(10), rate(10, "0.0003"), rate(9, "0.0003"), rate(11, "0.0003")) == [
        True,
        False,
        False,
        True,
    ]


def test_a_wrong_time_does_not_silence_all_that_follows() -> None:
    assert news(rate(1_000_000), rate(1), rate(2)) == [True, True, False]


def test_each_instrument_counts_for_itself() -> None:
    assert news(rate(0), rate(0, instrument_id="ETHUSDT"), rate(1, instrument_id="ETHUSDT")) == [
        True,
        True,
        False,
    ]
