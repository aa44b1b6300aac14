"""A book whose channel begins with a snapshot, where REST cannot make good a missing one."""

from collections.abc import Sequence

import msgspec
import pytest
from msgspec import Raw

from mprism.feeds.book import OrderBook
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity
from mprism.feeds.streamed_book import BookChange, StreamedBook
from mprism.schema import Level
from mprism.settings import OrderBookSettings
from tests.unit.okx_socket import told

STREAM = "book.X"
SECOND = 1_000_000_000
AGAIN = f"resubscribe {STREAM} 0"


def raw(levels: Sequence[Level]) -> Raw:
    return Raw(msgspec.json.encode(levels))


def change(
    previous: int | None,
    last: int,
    *,
    seconds: float = 100.0,
    bids: Sequence[Level] = (("100", "1"),),
) -> BookChange:
    """An update; without an id before it, a snapshot."""
    ts_event = round(seconds * SECOND)
    asks = raw([("101", "1")])
    return BookChange(previous is None, previous, last, ts_event, raw(bids), asks)


class Channel:
    """A book and what is told to it."""

    def __init__(self) -> None:
        self.continuity = Continuity()
        self.book = StreamedBook(
            STREAM,
            Instrument("deribit_derivatives", "perpetual", "X-USD", "X"),
            OrderBookSettings(),
            self.continuity,
            window=10_000,
        )

    def take(self, taken: BookChange) -> list[str]:
        """What a message leads to."""
        return told(self.book.receive(taken, 1))


def live() -> Channel:
    channel = Channel()
    assert channel.take(change(None, 100)) == ["live", "s100"]
    return channel


def test_a_missing_snapshot_costs_the_stream() -> None:
    channel = Channel()
    assert channel.take(change(100, 105)) == ["out: the snapshot is missing", AGAIN]
    assert channel.take(change(None, 110)) == []
    channel.book.restart()
    assert channel.take(change(None, 110)) == ["live", "s110"]


def test_a_confirmed_end_means_nothing_to_a_book_that_stays() -> None:
    channel = live()
    channel.book.restart()
    assert channel.take(change(100, 105)) == ["u100>105"]


def test_waits_grow_until_a_book_has_held() -> None:
    channel = live()
    attempts = []
    for held in (0.0, 9.9, 10.1, 0.0):
        last = change(None, 100)
        channel.book.restart()
        channel.take(last)
        channel.take(change(100, 105, seconds=100.0 + held))
        (_, asked) = channel.take(change(1, 2))
        attempts.append(asked.split()[-1])
    assert attempts == ["0", "1", "0", "1"]


@pytest.mark.parametrize("phase", ["expecting", "live", "leaving"])
def test_what_cannot_be_read_costs_the_stream_once(phase: str) -> None:
    channel = Channel() if phase == "expecting" else live()
    if phase == "leaving":
        channel.take(change(1, 2))
    actions = told(channel.book.malformed("a message was malformed"))
    assert actions == ([] if phase == "leaving" else ["out: a message was malformed", AGAIN])


def test_answers_that_nobody_waits_for_are_nothing() -> None:
    channel = live()
    assert told(channel.book.fetched(change(None, 500), 1)) == []
    assert told(channel.book.retry()) == []
    assert channel.take(change(100, 105)) == ["u100>105"]


def test_a_malformed_snapshot_costs_the_stream() -> None:
    channel = Channel()
    assert channel.take(change(None, 100, bids=[("1", "x")])) == [
        "malformed levels",
        "out: a snapshot was malformed",
        AGAIN,
    ]


def test_a_malformed_update_costs_the_stream() -> None:
    channel = live()
    assert channel.take(change(100, 105, bids=[("1", "x")])) == [
        "malformed levels",
        "out: an update was malformed",
        AGAIN,
    ]


def test_a_snapshot_begins_a_live_book_anew() -> None:
    channel = live()
    channel.take(change(100, 105, seconds=101.0))
    assert channel.take(change(None, 120, seconds=102.0)) == ["live", "s120"]
    # One that is older by its id is newer by its time: ids began anew.
    assert channel.take(change(None, 7, seconds=103.0)) == ["live", "s7"]
    assert channel.take(change(None, 7, seconds=103.0)) == []
    assert channel.take(change(7, 9, seconds=103.1)) == ["u7>9"]
    assert channel.continuity.duplicates == 1


@pytest.mark.parametrize("levels", [b"null", b"{}", b"7", b"[[]]"])
def test_levels_that_are_no_array_are_not_nothing(levels: bytes) -> None:
    odd = BookChange(False, 100, 100, 0, Raw(levels), Raw(b"[]"))
    assert not odd.is_empty
    assert live().take(odd) == ["out: changes without a new id after 100", AGAIN]
    assert BookChange(False, 100, 100, 0, Raw(b"[ ]"), Raw(b"[]")).is_empty


def test_a_change_without_ids_is_believed_only_with_proof() -> None:
    def proof(is_right: bool) -> BookChange:
        def look(book: OrderBook) -> bool:
            assert book.bids.best == ("100", "2")
            return is_right

        return BookChange(False, None, 105, 100 * SECOND, raw([("100", "2")]), raw([]), look)

    assert live().take(proof(is_right=True)) == ["u100>105"]
    assert live().take(proof(is_right=False)) == ["out: the checksum is another", AGAIN]
    assert live().take(change(None, 105)) == ["live", "s105"]


def test_a_level_that_cannot_be_converted_costs_the_book_where_it_comes_to_the_top() -> None:
    linear = Instrument("okx_derivatives", "perpetual", "X-USDT", "X", multiplier="0.01")
    settings = OrderBookSettings(mode="snapshots", depth=1)
    book = StreamedBook(STREAM, linear, settings, Continuity(), window=400)
    levels = [("100", "1"), ("99", "1." + "0" * 50)]
    assert told(book.receive(change(None, 100, bids=levels), 1)) == ["live", "s100"]
    gone = change(100, 101, seconds=100.1, bids=[("100", "0")])
    assert told(book.receive(gone, 1)) == []
    assert told(book.republish(1)) == []
    again = change(101, 102, seconds=101.1, bids=[])
    assert told(book.receive(again, 1)) == [
        "malformed levels",
        "out: an update was malformed",
        AGAIN,
    ]
