"""Rounds in step with the exchange's clock, slower while it is throttled."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.nursery.pace import Pace
from mprism.nursery.polling import random_offset

NOON = 1_700_049_600.0
assert NOON % 3_600 == 0


@pytest.mark.parametrize(
    ("after", "next_round"), [(0, 2), (1.999, 2), (2, 62), (2.001, 62), (59, 62), (61, 62)]
)
def test_rounds_lie_at_multiples_of_the_period_and_the_offset(
    after: float, next_round: float
) -> None:
    assert Pace(60, 2).next_at(NOON + after) == NOON + next_round


def test_rounds_that_were_missed_are_left_out() -> None:
    assert Pace(60, 2).next_at(NOON + 1_000) == NOON + 1_022


def test_each_throttling_halves_the_rounds_down_to_a_sixteenth() -> None:
    pace = Pace(60, 2)
    gaps = []
    for _ in range(6):
        pace.slower()
        first = pace.next_at(NOON)
        gaps.append(pace.next_at(first) - first)
    assert gaps == [120, 240, 480, 960, 960, 960]


def test_each_good_round_doubles_them_up_to_the_period() -> None:
    pace = Pace(60, 2, factor=16)
    factors = []
    for _ in range(6):
        pace.faster()
        factors.append(pace.factor)
    assert factors == [8, 4, 2, 1, 1, 1]
    assert pace.next_at(NOON) == NOON + 2


@given(
    period=st.sampled_from([0.25, 1.0, 20.0, 60.0, 300.0, 3_600.0]),
    share=st.floats(0, 0.1),
    factor=st.sampled_from([1, 2, 4, 8, 16]),
    after=st.floats(0, 100_000),
)
def test_the_next_round_is_always_later_and_never_far(
    period: float, share: float, factor: int, after: float
) -> None:
    pace = Pace(period, period * share, factor)
    now = NOON + after
    assert now < pace.next_at(now) <= now + period * factor + 1e-6


@given(period=st.floats(0.01, 86_400), seed=st.integers())
def test_an_offset_is_a_small_part_of_the_period(period: float, seed: int) -> None:
    offset = random_offset(period, random.Random(seed))
    assert 0 <= offset <= min(5.0, period / 10)


def test_offsets_differ() -> None:
    source = random.Random(1)
    assert len({random_offset(60, source) for _ in range(20)}) == 20
