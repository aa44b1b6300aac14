"""Full jitter below a bound that doubles up to a cap."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.nursery.backoff import Backoff

ALMOST_ONE = 1 - 2**-53
SECONDS = st.floats(min_value=0.001, max_value=86_400)


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (7, 30.0), (10_000_000, 30.0)],
)
def test_bound_doubles_up_to_the_cap(attempt: int, seconds: float) -> None:
    assert Backoff(0.5, 30.0).bound(attempt) == seconds


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, 0.0), (0.25, 0.5), (0.75, 1.5)])
def test_delay_is_the_drawn_part_of_the_bound(drawn: float, seconds: float) -> None:
    assert Backoff(0.5, 30.0, lambda: drawn).delay(2) == seconds


def test_delay_draws_anew_each_time() -> None:
    backoff = Backoff(1.0, 1.0, random.Random(1).random)
    delays = {backoff.delay(0) for _ in range(100)}
    assert len(delays) == 100
    assert min(delays) < 0.1
    assert max(delays) > 0.9


def test_a_cap_below_the_first_bound_holds() -> None:
    assert Backoff(5.0, 2.0).bound(0) == 2.0


@given(first=SECONDS, cap=SECONDS, attempt=st.integers(0, 10**9))
def test_no_attempt_waits_longer_than_the_cap(first: float, cap: float, attempt: int) -> None:
    backoff = Backoff(first, cap, lambda: ALMOST_ONE)
    assert 0 < backoff.delay(attempt) <= cap
    assert backoff.bound(attempt) <= backoff.bound(attempt + 1) <= cap
