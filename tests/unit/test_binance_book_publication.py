"""What is published of a book that is in sequence, when, and with which times."""

import msgspec
import pytest

from mprism.feeds.binance.market import USDM
from mprism.schema import MessageEncoder
from mprism.settings import OrderBookSettings
from tests.unit.binance_book import MS, SECOND, Chain, order_books
from tests.unit.binance_payloads import depth_snapshot, told


def test_a_snapshot_has_the_whole_top_and_describes_it() -> None:
    (message,) = order_books(Chain().begin())
    assert message.update_type == "snapshot"
    assert (message.last_update_id, message.prev_update_id) == (100, None)
    assert message.bids == [("100.00", "1"), ("99.00", "1")]
    assert message.asks == [("101.00", "1"), ("102.00", "1")]
    assert (message.best_bid_price, message.best_bid_quantity) == ("100.00", "1")
    assert (message.best_ask_price, message.best_ask_quantity) == ("101.00", "1")
    assert message.depth_levels == 2
    assert (message.exchange, message.market_type) == ("binance_spot", "spot")
    assert (message.symbol, message.instrument_id) == ("BTC-USDT", "BTCUSDT")
    assert (message.quantity_unit, message.contract_size) == ("base", None)


def test_a_message_is_one_line_whatever_blanks_the_levels_have() -> None:
    book = Chain()
    book.begin()
    event = book.event(SECOND + 1)
    event.bids = msgspec.Raw(b'[ ["100.00",\r\n\t"7"] ]')
    (message,) = order_books(book.update(event))
    assert message.bids == [("100.00", "7")]
    assert b'"bids":[["100.00","7"]]' in MessageEncoder().encode(message).payload


def test_an_update_has_the_levels_of_its_event_and_the_best_after_it() -> None:
    book = Chain()
    book.begin()
    bids, asks = [("100.00", "0"), ("98.00", "3")], [("100.50", "4")]
    (message,) = order_books(book.update(book.event(SECOND + 1, bids, asks), 77))
    assert message.update_type == "update"
    assert (message.prev_update_id, message.last_update_id) == (100, 101)
    assert (message.bids, message.asks) == (bids, asks)
    assert (message.best_bid_price, message.best_bid_quantity) == ("99.00", "1")
    assert (message.best_ask_price, message.best_ask_quantity) == ("100.50", "4")
    assert message.depth_levels == 2
    assert message.ts_recv == 77


def test_an_event_without_changes_is_published_too_because_ids_chain() -> None:
    book = Chain()
    book.begin()
    (message,) = order_books(book.update(book.event(SECOND + 1)))
    assert (message.bids, message.asks, message.depth_levels) == ([], [], 0)


def test_an_empty_side_has_no_best() -> None:
    book = Chain()
    (message,) = order_books(book.begin(snapshot=depth_snapshot(100, asks=[])))
    assert (message.best_ask_price, message.best_ask_quantity) == (None, None)
    assert message.asks == []


def test_a_snapshot_is_as_deep_as_configured() -> None:
    prices = [str(1_000 - i) for i in range(20)]
    book = Chain(OrderBookSettings(depth=7))
    (message,) = order_books(book.begin(snapshot=depth_snapshot(100, [(p, "1") for p in prices])))
    assert [price for price, _ in message.bids] == prices[:7]
    assert message.depth_levels == 7


@pytest.mark.parametrize(
    ("interval", "offsets", "published"),
    [
        # The first snapshot is at offset 0; one is due at or after each multiple.
        (1.0, [1, 500, 999], []),
        (1.0, [1_000], [1_000]),
        (1.0, [999, 1_001, 1_500, 1_999, 2_000, 2_001], [1_001, 2_000]),
        (1.0, [500, 5_250, 5_999, 6_000], [5_250, 6_000]),
        (0.1, [50, 99, 100, 150, 250], [100, 250]),
        (2.5, [1_000, 2_499, 2_500, 4_999, 7_500], [2_500, 7_500]),
        # An event out of the order of times is no reason for one.
        (1.0, [1_000, 900, 1_100, 2_000, 1_999, 2_001], [1_000, 2_000]),
    ],
)
@pytest.mark.parametrize("mode", ["updates", "snapshots"])
def test_snapshots_keep_to_the_time_of_the_exchange(
    interval: float, offsets: list[int], published: list[int], mode: str
) -> None:
    start = 1_700_000_000_000 // 2_500 * 2_500
    assert start % 1_000 == 0
    settings = OrderBookSettings(snapshot_interval_seconds=interval, mode=mode)  # type: ignore[arg-type]
    book = Chain(settings)
    book.begin(start)
    events = [book.event(start + offset) for offset in offsets]
    messages = [message for event in events for message in order_books(book.update(event))]
    snapshots = [message for message in messages if message.update_type == "snapshot"]
    assert [message.ts_event // MS - start for message in snapshots] == published
    assert len(messages) - len(snapshots) == (len(offsets) if mode == "updates" else 0)


def test_an_interval_that_no_float_holds_does_not_drift() -> None:
    interval_ms = 1_001  # 1.001 s as a float are not quite 1,001,000,000 ns
    start = SECOND // interval_ms * interval_ms
    book = Chain(OrderBookSettings(snapshot_interval_seconds=1.001))
    book.begin(start)
    assert told(book.update(book.event(start + interval_ms - 1))) == ["u100>101"]
    assert told(book.update(book.event(start + interval_ms))) == ["u101>102", "s102"]


def test_a_periodic_snapshot_follows_its_update_and_has_its_id() -> None:
    book = Chain()
    book.begin()
    change = [("100.00", "9")]
    update, snapshot = order_books(book.update(book.event(SECOND + 1_000, change)))
    assert told([update, snapshot]) == ["u100>101", "s101"]
    assert snapshot.bids[0] == ("100.00", "9")
    assert snapshot.ts_event == update.ts_event
    assert snapshot.timestamp == update.timestamp == "2023-11-14T22:13:21.000Z"


@pytest.mark.parametrize(
    ("snapshot_time", "event_times", "snapshot_id", "expected"),
    [
        # Spot: the last event that the snapshot holds has the nearest time.
        (None, [10, 20, 30], 101, 20),
        (None, [10, 20, 30], 150, 30),
        # It holds none of those that are known: the first one.
        (None, [10, 20, 30], 99, 10),
        # USD-M tells the time.
        (17, [10, 20, 30], 101, 17),
        (5_000, [10, 20, 30], 150, 5_000),
    ],
)
def test_the_first_snapshot_has_its_own_time_or_the_nearest(
    snapshot_time: int | None, event_times: list[int], snapshot_id: int, expected: int
) -> None:
    book = Chain()
    for offset in event_times:
        book.update(book.event(SECOND + offset))
    time = None if snapshot_time is None else SECOND + snapshot_time
    first, *_ = order_books(book.snapshot(depth_snapshot(snapshot_id, time=time)))
    assert first.ts_event == (SECOND + expected) * MS


def test_the_time_of_the_engine_is_preferred_to_that_of_the_push() -> None:
    book = Chain(market=USDM)
    book.begin()
    (message,) = order_books(book.update(book.event(SECOND + 20, time=SECOND + 3)))
    assert message.ts_event == (SECOND + 3) * MS
    (message,) = order_books(book.update(book.event(SECOND + 30)))
    assert message.ts_event == (SECOND + 30) * MS


def test_messages_are_received_when_what_they_tell_was() -> None:
    book = Chain()
    book.update(book.event(), recv_ns=1)
    first, second = book.event(SECOND + 10), book.event(SECOND + 20)
    book.update(first, recv_ns=2)
    book.update(second, recv_ns=3)
    messages = order_books(book.snapshot(depth_snapshot(100), recv_ns=4))
    assert [message.ts_recv for message in messages] == [4, 2, 3]


def test_republishing_is_a_snapshot_of_now() -> None:
    book = Chain()
    book.begin()
    book.update(book.event(SECOND + 10, [("100.00", "5")]))
    (message,) = order_books(list(book.book.republish(88)))
    assert told([message]) == ["s101"]
    assert message.bids[0] == ("100.00", "5")
    assert (message.ts_event, message.ts_recv) == ((SECOND + 10) * MS, 88)
