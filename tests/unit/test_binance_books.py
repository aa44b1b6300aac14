"""Joining and continuity of Binance's books, on spot and on USD-M.

An event is written `U-u` on spot and `U-u/pu` on USD-M. What comes out is written as
`binance_payloads.told` does it.
"""

import pytest

from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.protocol import Continuity
from tests.unit.binance_book import book_of, in_short, joined, snapshot, update
from tests.unit.binance_payloads import RECV_NS, fetches, told

MARKETS = pytest.mark.parametrize("market", [SPOT, USDM], ids=["spot", "usdm"])


SPOT_JOINS = [
    # The snapshot holds everything so far: the book waits for the stream to pass it.
    ("90-95", "live s100"),
    ("90-100", "live s100"),
    ("90-95 96-99", "live s100"),
    # The first event after it contains or follows its id.
    ("90-101", "live s100 u100>101"),
    ("100-110", "live s100 u100>110"),
    ("101-110", "live s100 u100>110"),
    ("101-101", "live s100 u100>101"),
    ("90-95 96-101 102-103", "live s100 u100>101 u101>103"),
    ("90-100 101-103 104-104", "live s100 u100>103 u103>104"),
    # The stream is beyond it: too old.
    ("102-110", "fetch 1"),
    ("200-210 211-220", "fetch 1"),
    # Something between events that are needed was lost.
    ("101-103 105-106", "live s100 u100>103 out fetch 0"),
    # Something between events that are not needed was lost.
    ("80-85 90-95 98-104", "live s100 u100>104"),
]
USDM_JOINS = [
    ("90-95/80", "live s100"),
    ("90-99/89", "live s100"),
    # U <= lastUpdateId <= u, both ends included.
    ("90-100/89", "live s100 u100>100"),
    ("100-100/89", "live s100 u100>100"),
    ("95-105/94", "live s100 u100>105"),
    ("100-105/99", "live s100 u100>105"),
    # pu == lastUpdateId, however far the engine's ids have jumped.
    ("101-105/100", "live s100 u100>105"),
    ("900-910/100", "live s100 u100>910"),
    # Beyond it by both rules.
    ("101-105/99", "fetch 1"),
    ("101-105/101", "fetch 1"),
    ("101-105", "fetch 1"),
    # After the first, `pu` alone counts.
    ("95-105/94 106-110/105", "live s100 u100>105 u105>110"),
    ("95-105/94 500-510/105 600-600/510", "live s100 u100>105 u105>510 u510>600"),
    ("95-105/94 106-110/104", "live s100 u100>105 out fetch 0"),
    ("95-105/94 106-110", "live s100 u100>105 out fetch 0"),
    ("90-100/89 101-105/100", "live s100 u100>100 u100>105"),
]


@pytest.mark.parametrize("snapshot_first", [False, True])
@pytest.mark.parametrize(
    ("market", "events", "expected"),
    [(SPOT, *case) for case in SPOT_JOINS] + [(USDM, *case) for case in USDM_JOINS],
)
def test_a_snapshot_joins_events_by_the_rules_of_its_market(
    market: Market, events: str, expected: str, snapshot_first: bool
) -> None:
    book = book_of(market)
    assert told(book.request()) == ["fetch 0"]
    if snapshot_first:
        assert snapshot(book, 100) == []
        happened = update(book, events)
    else:
        assert update(book, events) == []
        happened = snapshot(book, 100)
    assert in_short(happened) == expected


@MARKETS
def test_a_loss_across_the_id_of_the_snapshot_is_found(market: Market) -> None:
    events = "90-95/89 102-110/101"
    book = book_of(market)
    update(book, events)
    assert snapshot(book, 100) == ["fetch 1"]
    # Already there, it was the book until the loss showed.
    book = book_of(market)
    book_before = told(book.request()) + snapshot(book, 100)
    assert book_before == ["fetch 0"]
    assert in_short(update(book, events)) == "live s100 out fetch 1"


@MARKETS
def test_nothing_is_published_before_the_first_event(market: Market) -> None:
    book = book_of(market)
    assert told(book.request()) == ["fetch 0"]
    assert snapshot(book, 100) == []
    assert list(book.republish(RECV_NS)) == []
    assert in_short(update(book, "90-95/80")) == "live s100"


@MARKETS
def test_one_snapshot_is_asked_for_at_a_time(market: Market) -> None:
    book = book_of(market)
    assert update(book, "90-95/80") == ["fetch 0"]
    assert told(book.request()) == []
    assert update(book, "96-99/95") == []


@MARKETS
def test_the_request_is_what_rest_takes(market: Market) -> None:
    (fetch,) = fetches(book_of(market).request())
    assert fetch.key == "BTCUSDT"
    assert fetch.request.parameters == {"symbol": "BTCUSDT", "limit": 1_000}
    assert (fetch.request.path, fetch.request.weight) == (
        ("/api/v3/depth", 50) if market is SPOT else ("/fapi/v1/depth", 20)
    )


@MARKETS
def test_a_snapshot_too_old_is_fetched_again_until_one_joins(market: Market) -> None:
    book = book_of(market)
    update(book, "200-210/199")
    assert snapshot(book, 100) == ["fetch 1"]
    assert snapshot(book, 150) == ["fetch 2"]
    assert update(book, "211-220/210") == []
    assert in_short(snapshot(book, 205)) == "live s205 u205>210 u210>220"
    # In sequence again: the next trouble starts counting anew.
    assert in_short(update(book, "300-310/299")) == "out fetch 0"


@MARKETS
def test_the_book_of_a_symbol_never_traded_waits_for_a_real_id(market: Market) -> None:
    book = book_of(market)
    update(book, "1-3/0")
    assert snapshot(book, -1) == ["fetch 1"]
    assert in_short(snapshot(book, 2)) == "live s2 u2>3"


def test_a_spot_stream_that_begins_at_zero_joins_the_empty_book() -> None:
    book = book_of(SPOT)
    update(book, "0-3")
    assert in_short(snapshot(book, -1)) == "live s-1 u-1>3"


@MARKETS
def test_an_answer_that_nobody_waits_for_changes_nothing(market: Market) -> None:
    book = book_of(market)
    assert snapshot(book, 100) == []
    book = joined(market)
    assert snapshot(book, 500) == []
    assert told(book.retry()) == []
    assert update(book, "111-120/110") == ["u110>120"]


SPOT_CONTINUITY = [
    ("111-120", "u110>120"),
    ("105-120", "u110>120"),  # overlaps what is known
    ("111-111 112-112", "u110>111 u111>112"),
    ("112-120", "out fetch 0"),
    ("111-120 122-130", "u110>120 out fetch 0"),
    ("101-110", ""),
    ("50-60 111-120", "u110>120"),
    ("111-120 111-120 121-121", "u110>120 u120>121"),
]
USDM_CONTINUITY = [
    ("111-120/110", "u110>120"),
    ("400-500/110", "u110>500"),
    ("111-120/109", "out fetch 0"),
    ("111-120/111", "out fetch 0"),
    ("111-120", "out fetch 0"),
    ("105-120/104", "out fetch 0"),
    ("111-120/110 400-500/121", "u110>120 out fetch 0"),
    ("101-110/100", ""),
    ("50-60/40 111-120/110", "u110>120"),
    ("111-120/110 111-120/110 400-500/120", "u110>120 u120>500"),
]


@pytest.mark.parametrize(
    ("market", "events", "expected"),
    [(SPOT, *case) for case in SPOT_CONTINUITY] + [(USDM, *case) for case in USDM_CONTINUITY],
)
def test_an_event_follows_by_the_rules_of_its_market(
    market: Market, events: str, expected: str
) -> None:
    book = joined(market)
    assert in_short(update(book, events)) == expected


@MARKETS
def test_repeated_events_are_counted(market: Market) -> None:
    continuity = Continuity()
    book = joined(market, continuity)
    update(book, "101-110/100 50-60/40 111-120/110 111-120/110")
    assert continuity.duplicates == 3


@MARKETS
def test_the_reason_names_the_ids(market: Market) -> None:
    book = joined(market)
    reason = "out: after id 110 came U 300, u 310"
    assert update(book, "300-310/299")[0] == f"{reason}, pu 299"
    book = joined(market)
    assert update(book, "300-310")[0] == reason
