"""Our share of what an exchange grants an address, pool by pool, and the waits that it imposes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.weight import Budgets, Limit, WeightBudget

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


def test_a_window_is_as_long_as_the_exchange_says() -> None:
    budget = WeightBudget(limit=4, share=0.5, window_seconds=2.0)
    budget.spend(2, MINUTE + 0.5)
    assert budget.delay(1, MINUTE + 0.5) == 1.5
    assert budget.delay(1, MINUTE + 2) == 0


def test_a_clock_that_is_set_back_blocks_nothing() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    budget.spend(50, MINUTE)
    assert budget.delay(1, MINUTE - 3_600) == 0


def test_a_reserve_is_left_to_others() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    budget.spend(20, MINUTE + 10)
    # 30 of 50 are for who leaves a reserve of 0.4.
    assert budget.delay(10, MINUTE + 10, reserve=0.4) == 0
    assert budget.delay(11, MINUTE + 10, reserve=0.4) == 50
    assert budget.delay(11, MINUTE + 10) == 0
    budget.spend(30, MINUTE + 10)
    assert budget.delay(1, MINUTE + 10) == 50


def test_a_request_above_what_a_reserve_leaves_gets_a_window_of_its_own() -> None:
    budget = WeightBudget(limit=100, share=0.5)
    assert budget.delay(40, MINUTE, reserve=0.4) == 0
    budget.spend(1, MINUTE)
    assert budget.delay(40, MINUTE, reserve=0.4) == 60


def budgets() -> Budgets:
    return Budgets({"weight": Limit(100), "books": Limit(4, 2.0)}, share=0.5)


def test_each_pool_has_its_own_limit() -> None:
    both = budgets()
    assert both.of("weight") is both.of("weight")
    both.of("weight").spend(50, MINUTE)
    assert both.of("weight").delay(1, MINUTE) == 60
    assert both.of("books").delay(2, MINUTE) == 0
    both.of("books").spend(2, MINUTE)
    assert both.of("books").delay(1, MINUTE) == 2


def test_a_pool_of_a_name_and_a_key_has_the_limit_of_the_name() -> None:
    both = budgets()
    both.of("books:BTC").spend(2, MINUTE)
    assert both.of("books:BTC").delay(1, MINUTE) == 2
    assert both.of("books:ETH").delay(2, MINUTE) == 0
    assert both.of("books:a:b").delay(2, MINUTE) == 0


@pytest.mark.parametrize("pool", ["orders", "", "order:BTC", "weigh"])
def test_a_pool_that_the_exchange_does_not_have_is_a_bug(pool: str) -> None:
    with pytest.raises(KeyError):
        budgets().of(pool)


def test_a_ban_is_for_every_pool_also_those_that_come_later() -> None:
    both = budgets()
    early = both.of("weight")
    both.ban(100, MINUTE)
    assert [each.delay(1, MINUTE + 40) for each in (early, both.of("books:BTC"))] == [60, 60]
    # A shorter one never cuts a longer one.
    both.ban(5, MINUTE + 40)
    assert [each.delay(1, MINUTE + 40) for each in (early, both.of("books"))] == [60, 60]
    assert [both.of(pool).delay(1, MINUTE + 100) for pool in ("weight", "books")] == [0, 0]


def test_a_pause_is_for_its_pool_alone() -> None:
    both = budgets()
    both.of("books:BTC").pause(30, MINUTE)
    assert both.of("books:BTC").delay(1, MINUTE) == 30
    assert [both.of(pool).delay(1, MINUTE) for pool in ("books:ETH", "books", "weight")] == [0] * 3


def test_a_limit_that_the_exchange_tells_is_for_all_budgets_of_its_pool() -> None:
    both = budgets()
    used, fresh = both.of("books:BTC"), both.of("weight")
    used.spend(2, MINUTE)
    both.set_limit("books", Limit(20, 10.0))
    assert (used.limit, used.window_seconds) == (20, 10.0)
    # What is used up stays, to the end of the window that it was used in.
    assert used.delay(8, MINUTE) == 0
    assert used.delay(9, MINUTE) == 2
    assert used.delay(9, MINUTE + 2) == 0
    used.spend(9, MINUTE + 2)
    assert used.delay(2, MINUTE + 2) == 8
    # And so does what is imposed.
    used.pause(30, MINUTE)
    both.set_limit("books", Limit(40, 10.0))
    assert used.delay(1, MINUTE + 10) == 20
    assert (both.of("books:ETH").limit, both.of("books:ETH").window_seconds) == (40, 10.0)
    assert (fresh.limit, fresh.window_seconds) == (100, 60.0)


def test_a_lower_limit_holds_at_once() -> None:
    both = budgets()
    both.of("weight").spend(20, MINUTE + 1)
    assert both.of("weight").delay(1, MINUTE + 1) == 0
    both.set_limit("weight", Limit(40))
    assert both.of("weight").delay(1, MINUTE + 1) == 59


def test_a_pool_that_the_exchange_tells_of_first_is_there() -> None:
    both = budgets()
    both.set_limit("orders", Limit(2, 1.0))
    assert both.of("orders:BTC").limit == 2


def test_the_least_share_holds_for_every_budget() -> None:
    both = budgets()
    early = both.of("weight")
    both.share_at_most(0.2)
    both.share_at_most(0.9)
    assert [each.share for each in (early, both.of("books:BTC"))] == [0.2, 0.2]
    early.spend(20, MINUTE)
    assert early.delay(1, MINUTE) == 60
