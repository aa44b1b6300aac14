"""What a feed remembers over its connections."""

from mprism.feeds.protocol import Continuity

MOST_SEEN = 20_000


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


def test_nothing_is_shared_between_feeds() -> None:
    one, other = Continuity(), Continuity()
    assert one.is_new("BTC", "1")
    one.last_trade["BTC"] = 1, 1
    assert other.is_new("BTC", "1")
    assert other.last_trade == {}
