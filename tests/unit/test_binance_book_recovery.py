"""Books that lose their sequence, meet nonsense, or run out of known levels."""

import pytest

from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.protocol import Continuity
from mprism.schema import Level
from mprism.settings import OrderBookSettings
from tests.unit.binance_book import (
    SECOND,
    Chain,
    book_of,
    in_short,
    joined,
    order_books,
    snapshot,
    update,
)
from tests.unit.binance_payloads import RECV_NS, depth_event, depth_snapshot, told

MARKETS = pytest.mark.parametrize("market", [SPOT, USDM], ids=["spot", "usdm"])


@MARKETS
def test_after_a_loss_nothing_is_published_until_a_snapshot_joins(market: Market) -> None:
    book = joined(market)
    assert in_short(update(book, "121-130/120")) == "out fetch 0"
    assert update(book, "131-140/130 141-150/140") == []
    assert list(book.republish(RECV_NS)) == []
    # Too old still: what was lost is not in it.
    assert snapshot(book, 115) == ["fetch 1"]
    assert in_short(snapshot(book, 135)) == "live s135 u135>140 u140>150"


@MARKETS
def test_two_losses_while_a_snapshot_is_under_way_are_both_found(market: Market) -> None:
    book = book_of(market)
    update(book, "91-99/90 101-110/100 121-130/120 131-140/130")
    assert in_short(snapshot(book, 100)) == "live s100 u100>110 out fetch 0"
    assert in_short(snapshot(book, 125)) == "live s125 u125>130 u130>140"


@MARKETS
def test_events_beyond_the_limit_of_the_wait_are_found_missing(market: Market) -> None:
    book = book_of(market)
    for last in range(1, 1_002):
        update(book, f"{last}-{last}/{last - 1}")
    # Event 1 has made room for event 1,001.
    assert snapshot(book, 0) == ["fetch 1"]
    happened = snapshot(book, 1)
    assert in_short(happened[:3]) == "live s1 u1>2"
    assert happened[-1] == "u1000>1001"


@MARKETS
def test_a_malformed_update_takes_the_book_out_of_sequence(market: Market) -> None:
    book = joined(market)
    bad = depth_event(111, 120, 110, bids=[("99.5", "-1")])
    assert told(book.update(bad, RECV_NS)) == [
        "malformed levels",
        "out: an update was malformed",
        "fetch 0",
    ]
    assert update(book, "121-130/120") == []
    assert snapshot(book, 119) == ["fetch 1"]
    assert in_short(snapshot(book, 120)) == "live s120 u120>130"


@MARKETS
def test_an_event_repeated_after_a_loss_does_not_turn_back_time(market: Market) -> None:
    continuity = Continuity()
    book = joined(market, continuity)
    book_lost = book.update(depth_event(111, 120, 110, bids=[("1", "x")]), RECV_NS)
    assert in_short(told(book_lost)) == "malformed levels out fetch 0"
    assert update(book, "101-110/100") == []
    assert continuity.duplicates == 1
    # It would join with the repeated event.
    assert snapshot(book, 100) == []
    assert update(book, "121-130/120") == ["fetch 1"]
    assert in_short(snapshot(book, 125)) == "live s125 u125>130"


@MARKETS
def test_a_malformed_snapshot_is_fetched_again(market: Market) -> None:
    book = book_of(market)
    update(book, "90-100/89")
    bad = depth_snapshot(95, bids=[("1e5", "1")])
    assert told(book.snapshot(bad, RECV_NS)) == ["malformed levels", "fetch 1"]
    assert update(book, "101-110/100") == []
    assert in_short(snapshot(book, 100)) == "live s100 u100>110"


@MARKETS
def test_a_snapshot_that_could_not_be_read_is_fetched_again(market: Market) -> None:
    book = book_of(market)
    update(book, "90-100/89")
    assert told(book.retry()) == ["fetch 1"]
    assert told(book.retry()) == ["fetch 2"]


def bids(*prices: int) -> list[Level]:
    return [(str(price), "1") for price in prices]


class Thin(Chain):
    """A live book of which three levels are published, and too few bids are known.

    Its snapshot had five bids, 100 to 96, of which an event has removed the best three.
    """

    def __init__(self, market: Market) -> None:
        super().__init__(OrderBookSettings(depth=3, rest_levels=5), market, window=100)
        self.begin(snapshot=depth_snapshot(100, bids(100, 99, 98, 97, 96)))
        gone: list[Level] = [("100", "0"), ("99", "0"), ("98", "0")]
        self.asked = self.update(self.event(SECOND + 1_000, gone))

    def quiet_event(self) -> list[str]:
        return told(self.update(self.event(SECOND + 1_001)))


@MARKETS
def test_a_book_with_too_few_known_levels_is_refreshed_while_it_lives(market: Market) -> None:
    book = Thin(market)
    assert told(book.asked) == ["u100>101", "s101", "fetch 0"]
    # Only what is known is published.
    assert order_books(book.asked)[1].bids == bids(97, 96)
    assert book.quiet_event() == ["u101>102"]
    (message,) = order_books(book.snapshot(depth_snapshot(101, bids(97, 96, 95, 94, 93))))
    assert told([message]) == ["s102"]
    assert message.bids == bids(97, 96, 95)
    assert book.quiet_event() == ["u102>103"]


def test_the_levels_known_are_counted_once_an_interval() -> None:
    book = Chain(OrderBookSettings(depth=3, rest_levels=5), window=100)
    book.begin(snapshot=depth_snapshot(100, bids(100, 99, 98, 97, 96)))
    gone: list[Level] = [("100", "0"), ("99", "0"), ("98", "0")]
    assert told(book.update(book.event(SECOND + 999, gone))) == ["u100>101"]
    # They may be back by then.
    back = book.event(SECOND + 1_000, bids(100))
    assert told(book.update(back)) == ["u101>102", "s102"]


@MARKETS
def test_a_refresh_that_is_ahead_waits_for_the_stream(market: Market) -> None:
    book = Thin(market)
    assert book.quiet_event() == ["u101>102"]
    ahead = depth_snapshot(104, bids(95, 94, 93, 92, 91))
    assert book.snapshot(ahead) == []
    assert book.quiet_event() == ["u102>103"]
    assert book.quiet_event() == ["u103>104", "s104"]


@MARKETS
def test_a_refresh_waits_for_an_event_after_it_was_asked_for(market: Market) -> None:
    book = Thin(market)
    assert book.snapshot(depth_snapshot(101, bids(97, 96, 95, 94, 93))) == []
    assert book.quiet_event() == ["u101>102", "s102"]


@MARKETS
def test_a_refresh_takes_no_message_id_that_is_out_already(market: Market) -> None:
    """The broker would take the deeper snapshot for a repetition of the one before it."""
    book = Thin(market)
    # The event that joins the refresh is itself the first one of an interval.
    assert book.snapshot(depth_snapshot(102, bids(97, 96, 95, 94, 93))) == []
    assert told(book.update(book.event(SECOND + 2_000))) == ["u101>102", "s102"]
    (_, message) = order_books(book.update(book.event(SECOND + 2_001)))
    assert told([message]) == ["s103"]
    assert message.bids == bids(97, 96, 95)


@MARKETS
def test_the_events_since_a_refresh_are_in_it(market: Market) -> None:
    book = Thin(market)
    first = book.event(SECOND + 1_010, [("97", "7"), ("96", "0")])
    second = book.event(SECOND + 1_020, [("97", "8"), ("96.5", "2")])
    for event in (first, second, second, first):
        book.update(event)
    (message,) = order_books(book.snapshot(depth_snapshot(101, bids(97, 96, 95, 94, 93))))
    assert told([message]) == ["s103"]
    assert message.bids == [("97", "8"), ("96.5", "2"), ("95", "1")]


@MARKETS
def test_a_refresh_too_old_is_fetched_again_later_and_later(market: Market) -> None:
    book = Thin(market)
    for attempt in (1, 2, 3):
        assert book.quiet_event()[0].startswith("u")
        assert told(book.snapshot(depth_snapshot(90))) == [f"fetch {attempt}"]
    fresh = depth_snapshot(book.last_id, bids(97, 96, 95, 94, 93))
    assert told(book.snapshot(fresh)) == ["s104"]
    assert book.quiet_event() == ["u104>105"]


@MARKETS
def test_a_refresh_does_not_join_with_an_event_repeated_from_before_it(market: Market) -> None:
    book = Thin(market)
    first = depth_event(100, 100, 99)
    assert book.update(first) == []
    # With that event alone it would bring back what the next one has removed.
    assert book.snapshot(depth_snapshot(99, bids(100, 99, 98, 97, 96))) == []
    assert book.quiet_event() == ["u101>102", "fetch 1"]


@MARKETS
def test_a_malformed_refresh_leaves_the_live_book_alone(market: Market) -> None:
    book = Thin(market)
    book.quiet_event()
    bad = depth_snapshot(101, [("97", "-1")])
    assert told(book.snapshot(bad)) == ["malformed levels", "fetch 1"]
    assert book.quiet_event() == ["u102>103"]
    fresh = depth_snapshot(103, bids(97, 96, 95, 94, 93))
    assert told(book.snapshot(fresh)) == ["s103"]
    assert book.quiet_event() == ["u103>104"]


@MARKETS
def test_a_loss_during_a_refresh_takes_the_book_out_of_sequence(market: Market) -> None:
    book = Thin(market)
    book.quiet_event()
    book.event()  # lost
    assert in_short(book.quiet_event()) == "out fetch 1"
    # What the refresh brings is as good as what was asked for now, and as bad.
    assert told(book.snapshot(depth_snapshot(101))) == ["fetch 2"]
    happened = told(book.snapshot(depth_snapshot(103, bids(97, 96, 95, 94, 93))))
    assert happened == ["live", "s103", "u103>104"]
    assert book.snapshot(depth_snapshot(104)) == []


@MARKETS
def test_a_loss_discards_a_refresh_that_waits(market: Market) -> None:
    book = Thin(market)
    book.quiet_event()
    assert book.snapshot(depth_snapshot(104)) == []
    book.event()  # lost
    assert in_short(book.quiet_event()) == "out fetch 1"
    assert book.quiet_event() == []
    assert in_short(told(book.snapshot(depth_snapshot(106)))) == "live s106"


@MARKETS
def test_a_malformed_update_during_a_refresh_does_not_get_into_it(market: Market) -> None:
    book = Thin(market)
    bad = book.event(SECOND + 1_010, [("1e2", "1")])
    assert in_short(told(book.update(bad))) == "malformed levels out fetch 1"
    assert book.quiet_event() == []
    assert told(book.snapshot(depth_snapshot(101))) == ["fetch 2"]
    assert in_short(told(book.snapshot(depth_snapshot(102)))) == "live s102 u102>103"


@MARKETS
def test_an_older_id_in_a_later_event_takes_the_book_out_of_sequence(market: Market) -> None:
    """Taken for a repetition, it and all that follow would leave the book live and frozen."""
    book = Chain(market=market)
    book.begin()
    book.update(book.event(SECOND + 10))
    book.last_id = 49
    assert told(book.update(book.event(SECOND + 20)))[-1] == "fetch 0"
    book.update(book.event(SECOND + 30))
    assert told(book.snapshot(depth_snapshot(50)))[:2] == ["live", "s50"]


@MARKETS
def test_a_book_as_deep_as_its_snapshot_is_not_refreshed_for_one_level(market: Market) -> None:
    book = Chain(OrderBookSettings(depth=5, rest_levels=5), market, window=100)
    book.begin(snapshot=depth_snapshot(100, bids(100, 99, 98, 97, 96)))
    assert told(book.update(book.event(SECOND + 1_000, [("100", "0")]))) == ["u100>101", "s101"]
    assert told(book.update(book.event(SECOND + 2_000, [("99", "0")])))[-1] == "fetch 0"


def test_an_acknowledgement_of_a_live_book_asks_for_nothing() -> None:
    book = Chain()
    assert told(book.book.begin()) == ["fetch 0"]
    book.begin()
    assert list(book.book.begin()) == []
