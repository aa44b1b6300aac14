"""Our share of an exchange's weight per minute, and the waits that it imposes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.errors import (
    LONGEST_RETRY_AFTER_SECONDS,
    MISSING_RETRY_AFTER_SECONDS,
    FeedError,
    NetworkFault,
    Refused,
    Throttled,
    failure_of_status,
)
from mprism.feeds.weight import WeightBudget

MINUTE = 1_700_000_040.0  # begins a minute
assert MINUTE % 60 == 0


def test_a_budget_in_reach_is_spent_at_once() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    for _ in range(5):
        assert budget.delay(10, MINUTE) == 0
        budget.spend(10, MINUTE)
    assert budget.used == 50


def test_what_exceeds_our_share_waits_for_the_next_minute() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    budget.spend(41, MINUTE + 13)
    assert budget.delay(9, MINUTE + 13) == 0
    assert budget.delay(10, MINUTE + 13) == 47
    assert budget.delay(10, MINUTE + 60) == 0
    assert budget.used == 0


def test_a_request_above_our_share_gets_a_minute_of_its_own() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    assert budget.delay(80, MINUTE) == 0
    budget.spend(1, MINUTE)
    assert budget.delay(80, MINUTE + 1) == 59


def test_the_higher_count_of_the_exchange_overrules_ours() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    budget.spend(10, MINUTE)
    budget.observe(45, MINUTE + 1)
    assert budget.delay(10, MINUTE + 1) == 59
    # A lower one is older than ours, not news.
    budget.observe(3, MINUTE + 2)
    assert budget.used == 45
    budget.observe(7, MINUTE + 60)
    assert budget.used == 7


def test_an_imposed_wait_holds_whatever_is_left_of_the_budget() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    budget.pause(120, MINUTE)
    assert budget.delay(1, MINUTE + 20) == 100
    # A shorter wait never cuts a longer one.
    budget.pause(5, MINUTE + 20)
    assert budget.delay(1, MINUTE + 20) == 100
    budget.pause(200, MINUTE + 20)
    assert budget.delay(1, MINUTE + 20) == 200
    assert budget.delay(1, MINUTE + 220) == 0


def test_of_two_reasons_to_wait_the_longer_counts() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    budget.spend(50, MINUTE + 10)
    budget.pause(5, MINUTE + 10)
    assert budget.delay(1, MINUTE + 10) == 50
    budget.pause(90, MINUTE + 10)
    assert budget.delay(1, MINUTE + 10) == 90


@given(
    limit=st.integers(1, 6_000),
    share=st.floats(0.01, 1),
    requests=st.lists(st.tuples(st.integers(1, 250), st.floats(0, 30)), max_size=40),
)
def test_no_minute_spends_more_than_our_share_unless_one_request_does(
    limit: int, share: float, requests: list[tuple[int, float]]
) -> None:
    budget = WeightBudget(limit, share)
    now = MINUTE
    spent: dict[int, list[int]] = {}
    for weight, pause in requests:
        now += pause
        wait = budget.delay(weight, now)
        assert 0 <= wait <= 60
        now += wait
        assert budget.delay(weight, now) == 0
        budget.spend(weight, now)
        spent.setdefault(int(now // 60), []).append(weight)
    for weights in spent.values():
        assert sum(weights) <= limit * share or len(weights) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (304, None),
        (399, None),
        (400, NetworkFault),
        (401, Refused),
        (403, Refused),
        (404, NetworkFault),
        (418, Throttled),
        (429, Throttled),
        (451, Refused),
        (500, NetworkFault),
        (503, NetworkFault),
    ],
)
def test_every_status_has_its_class_of_failure(status: int, kind: type[FeedError] | None) -> None:
    failure = failure_of_status(status, "GET /depth", None, now=0.0)
    assert type(failure) is (kind or type(None))
    if failure is not None:
        assert str(failure) == f"GET /depth: HTTP {status}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("259200", 259_200.0),
        (None, MISSING_RETRY_AFTER_SECONDS),
        ("", MISSING_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 680.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("in a while", MISSING_RETRY_AFTER_SECONDS),
        # Milliseconds, say, or the end of the ban in place of its length.
        ("1795348855830", LONGEST_RETRY_AFTER_SECONDS),
        ("inf", MISSING_RETRY_AFTER_SECONDS),
        ("nan", MISSING_RETRY_AFTER_SECONDS),
    ],
)
def test_the_exchange_says_how_long_to_wait(header: str | None, seconds: float) -> None:
    failure = failure_of_status(429, "GET /depth", header, now=1_792_567_000.0)
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == seconds
