"""What a feed remembers over its connections."""

from mprism.feeds.protocol import Continuity

MOST_SEEN = 20_000
DAY = 86_400_000


def test_an_id_is_new_once() -> None:
    continuity = Continuity()
    assert [continuity.is_new("BTC", each) for each in ("1", "2", "1", "2", "3")] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert continuity.duplicates == 2


def test_each_instrument_has_its_own_ids() -> None:
    continuity = Continuity()
    assert continuity.is_new("BTC", "1")
    assert continuity.is_new("ETH", "1")
    assert continuity.duplicates == 0


def test_only_the_oldest_ids_are_forgotten() -> None:
    continuity = Continuity()
    for number in range(MOST_SEEN):
        assert continuity.is_new("BTC", str(number))
    assert not continuity.is_new("BTC", "0")
    assert continuity.is_new("ETH", "new")
    assert not continuity.is_new("BTC", "1")
    # And as the oldest one gave way, it counts as new again.
    assert continuity.is_new("BTC", "0")
    assert continuity.duplicates == 2


def test_only_what_is_newer_than_all_before_is_new() -> None:
    continuity = Continuity()
    times = [0, DAY, DAY, DAY - 1, 0, DAY + 1]
    assert [continuity.is_newer("a", time) for time in times] == [True, True, *[False] * 3, True]
    assert continuity.is_newer("b", 0)
    assert continuity.last_time == {"a": DAY + 1, "b": 0}


def test_a_time_that_was_wrong_does_not_end_a_series() -> None:
    continuity = Continuity()
    assert continuity.is_newer("a", 8 * DAY)
    assert not continuity.is_newer("a", DAY + 1)
    assert [continuity.is_newer("a", time) for time in (DAY, DAY, DAY + 1)] == [True, False, True]


def test_old_times_beside_a_newer_one_are_only_old() -> None:
    continuity = Continuity()
    assert continuity.is_newer("a", 8 * DAY)
    assert not continuity.is_newer("a", DAY, 8 * DAY)
    assert continuity.is_newer("a", 8 * DAY + 1, 8 * DAY + 1)
    # After a wrong time all that came together is new, and once.
    continuity.last_time["a"] = 99 * DAY
    answer = [7 * DAY, 8 * DAY, 8 * DAY, 9 * DAY]
    for expected in ([True, True, False, True], [False] * 4):
        assert [continuity.is_newer("a", time, answer[-1]) for time in answer] == expected


def test_nothing_is_shared_between_feeds() -> None:
    one, other = Continuity(), Continuity()
    assert one.is_new("BTC", "1")
    one.last_trade["BTC"] = 1, 1
    assert other.is_new("BTC", "1")
    assert other.last_trade == {}
