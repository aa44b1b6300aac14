"""Books of OKX: ids, checksums of old, a snapshot that is missing, a stream asked for anew."""

import json
from typing import Any
from zlib import crc32

import pytest

from mprism.feeds.protocol import Fetch, Send
from mprism.schema import OrderBook
from mprism.settings import OrderBookSettings
from tests.unit.okx_payloads import (
    ETH_SPOT,
    INVERSE,
    LINEAR,
    RECV_NS,
    SPOT,
    TIME,
    TIME_MS,
    Socket,
    answer,
    book,
    event,
    told,
)

BOOKS = "books:BTC-USDT"
OUT = f"resubscribe {BOOKS} 0"


def socket_of(*instruments: Any, **settings: Any) -> Socket:
    return Socket(*instruments or (SPOT,), data_types=["orderbook"], **settings)


def snapshot(socket: Socket, last: int, **changes: Any) -> list[str]:
    return told(socket.push(BOOKS, book(-1, last, **changes), action="snapshot"))


def update(socket: Socket, previous: int, last: int, **changes: Any) -> list[str]:
    return told(socket.push(BOOKS, book(previous, last, **changes), action="update"))


def live() -> Socket:
    socket = socket_of()
    assert snapshot(socket, 100) == ["live", "s100"]
    return socket


def leave(socket: Socket) -> None:
    """Lose the book and go through the exchange's answers up to the new stream."""
    assert update(socket, 200, 205)[1:] == [OUT]
    assert told(socket.resubscribe(BOOKS)) == [f"unsubscribe {BOOKS}", f"subscribe {BOOKS}"]
    assert socket.frame(event("unsubscribe", BOOKS)) == []
    assert socket.frame(event("subscribe", BOOKS)) == []


@pytest.mark.parametrize(
    ("instrument", "changes"),
    [
        (SPOT, {}),
        (
            LINEAR,
            {
                "best_bid_quantity": "2.56",
                "best_ask_quantity": "4.15",
                "bids": [("8476.9", "2.56")],
                "asks": [("8477.1", "4.15")],
                "contract_size": "0.01",
            },
        ),
        (INVERSE, {"quantity_unit": "contracts", "contract_size": "100"}),
    ],
)
def test_a_snapshot_and_an_update(instrument: Any, changes: dict[str, Any]) -> None:
    stream = f"books:{instrument.instrument_id}"
    socket = socket_of(instrument)
    fields: dict[str, Any] = {
        "exchange": instrument.exchange,
        "market_type": instrument.market_type,
        "symbol": instrument.symbol,
        "instrument_id": instrument.instrument_id,
        "timestamp": TIME,
        "ts_event": TIME_MS * 1_000_000,
        "ts_recv": RECV_NS,
        "update_type": "snapshot",
        "last_update_id": 100,
        "prev_update_id": None,
        "bids": [("8476.9", "256")],
        "asks": [("8477.1", "415")],
        "best_bid_price": "8476.9",
        "best_bid_quantity": "256",
        "best_ask_price": "8477.1",
        "best_ask_quantity": "415",
        "depth_levels": 1,
        "quantity_unit": "base",
        "contract_size": None,
    }
    _, top = socket.push(stream, book(-1, 100), action="snapshot")
    assert top == OrderBook(**fields | changes)
    removal = book(100, 105, asks=[["8477.1", "0", "0", "0"]], bids=[])
    (message,) = socket.push(stream, removal, action="update")
    assert message == OrderBook(
        **fields
        | changes
        | {
            "update_type": "update",
            "last_update_id": 105,
            "prev_update_id": 100,
            "bids": [],
            "asks": [("8477.1", "0" if instrument is not LINEAR else "0.00")],
            "best_ask_price": None,
            "best_ask_quantity": None,
        }
    )


def test_updates_follow_by_their_ids() -> None:
    socket = live()
    assert update(socket, 100, 105) == ["u100>105"]
    # A still book says so, and changes nothing.
    assert update(socket, 105, 105, asks=[], bids=[]) == []
    assert update(socket, 105, 106) == ["u105>106"]
    # Ids begin anew after maintenance.
    assert update(socket, 106, 3) == ["u106>3"]
    assert update(socket, 3, 8) == ["u3>8"]
    assert socket.continuity.duplicates == 0
    assert update(socket, 3, 8) == []
    assert socket.continuity.duplicates == 1
    assert socket.states[BOOKS].messages == 7


def test_a_snapshot_that_comes_twice_is_a_duplicate() -> None:
    socket = live()
    assert snapshot(socket, 100) == []
    assert update(socket, 100, 105) == ["u100>105"]
    assert snapshot(socket, 100) == []
    assert socket.continuity.duplicates == 2
    # A later one begins the book anew.
    assert snapshot(socket, 90, ts=str(TIME_MS + 1)) == ["live", "s90"]


@pytest.mark.parametrize("ids", [(101, 105), (99, 105), (90, 95), (105, 100)])
def test_an_update_that_does_not_follow_costs_the_book_its_stream(ids: tuple[int, int]) -> None:
    socket = live()
    out, asked = update(socket, *ids)
    assert out.startswith("out: after id 100 came")
    assert asked == OUT
    assert snapshot(socket, 100) == []
    assert update(socket, 100, 105) == []


def test_changes_without_a_new_id_cost_the_book_its_stream() -> None:
    assert update(live(), 100, 100) == ["out: changes without a new id after 100", OUT]


def test_a_stream_is_asked_for_anew_alone() -> None:
    socket = socket_of(SPOT, ETH_SPOT)
    snapshot(socket, 100)
    socket.push("books:ETH-USDT", book(-1, 7), action="snapshot")
    update(socket, 200, 205)
    assert told(socket.resubscribe(BOOKS)) == [f"unsubscribe {BOOKS}", f"subscribe {BOOKS}"]
    assert socket.connection.unacknowledged == [BOOKS]
    assert not socket.states[BOOKS].acknowledged
    # What still comes belongs to the old stream, and acknowledges nothing.
    assert update(socket, 205, 210) == []
    assert snapshot(socket, 210) == []
    assert not socket.states[BOOKS].acknowledged
    assert told(socket.push("books:ETH-USDT", book(7, 9), action="update")) == ["u7>9"]
    socket.frame(event("unsubscribe", BOOKS))
    assert socket.connection.unacknowledged == [BOOKS]
    socket.frame(event("subscribe", BOOKS))
    assert socket.connection.unacknowledged == []
    assert socket.states[BOOKS].acknowledged
    assert snapshot(socket, 300) == ["live", "s300"]


def test_a_stream_that_keeps_breaking_waits_longer() -> None:
    socket = live()
    leave(socket)
    snapshot(socket, 300)
    assert update(socket, 1, 2)[1] == f"resubscribe {BOOKS} 1"


def test_a_missing_snapshot_comes_from_rest() -> None:
    socket = socket_of()
    push = [book(100, 105), book(105, 110)]
    (fetch,) = socket.push(BOOKS, push[0], action="update")
    assert isinstance(fetch, Fetch)
    assert fetch.key == BOOKS
    assert fetch.request.path == "/api/v5/market/books"
    assert fetch.request.parameters == {"instId": "BTC-USDT", "sz": 400}
    assert fetch.request.pool == "books"
    assert socket.push(BOOKS, push[1], action="update") == []
    body = book(0, 103)
    del body["prevSeqId"]
    assert told(socket.fetched(BOOKS, answer(body))) == ["live", "s103", "u103>105", "u105>110"]
    assert update(socket, 110, 111) == ["u110>111"]
    assert socket.fetched(BOOKS, answer(body)) == []


@pytest.mark.parametrize(
    ("last", "then"),
    [
        (99, [f"fetch {BOOKS} 1"]),
        (100, ["live", "s100", "u100>105", "u105>110"]),
        (104, ["live", "s104", "u104>105", "u105>110"]),
        (105, ["live", "s105", "u105>110"]),
        (110, ["live", "s110"]),
        (111, []),
    ],
)
def test_where_a_snapshot_joins_the_stream(last: int, then: list[str]) -> None:
    socket = socket_of()
    update(socket, 100, 105)
    update(socket, 105, 110)
    assert told(socket.fetched(BOOKS, answer(book(-1, last)))) == then
    reached = update(socket, 110, 115)
    if last == 111:
        assert reached == ["live", "s111", "u111>115"]
    elif last == 99:
        assert reached == []
        assert told(socket.fetched(BOOKS, answer(book(-1, 115)))) == ["live", "s115"]
    else:
        assert reached == ["u110>115"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"\xff",
        b'{"code":"0","data":' + b"[" * 100_000,
        answer(),
        answer(book(-1, 5), book(-1, 5)),
        answer(book(-1, 5, seqId=None)),
        answer({}),
        answer(book(-1, 5, bids=[["1"]])),
        answer(code="51001", msg="Instrument ID does not exist"),
    ],
)
def test_a_malformed_snapshot_is_fetched_again(body: bytes) -> None:
    socket = socket_of()
    update(socket, 100, 105)
    assert told(socket.fetched(BOOKS, body)) == ["malformed snapshot", f"fetch {BOOKS} 1"]
    assert told(socket.fetched(BOOKS, answer(book(-1, 100)))) == ["live", "s100", "u100>105"]
    # Nobody waits any more.
    assert told(socket.fetched(BOOKS, body)) == ["malformed snapshot"]


def test_an_answer_to_a_stream_without_a_book_is_nothing() -> None:
    assert Socket(data_types=["trade"]).fetched("trades-all:BTC-USDT", answer()) == []


def checksum(*levels: str) -> int:
    """As OKX computes it: signed."""
    number = crc32(":".join(levels).encode())
    return number - 2**32 if number >= 2**31 else number


def old(time: int, **changes: Any) -> dict[str, Any]:
    """A message of 2022: without ids."""
    row = book(0, 0, ts=str(TIME_MS + time)) | changes
    return {name: value for name, value in row.items() if name not in ("seqId", "prevSeqId")}


FIRST = checksum("8476.9", "256", "8477.1", "415")


def test_books_of_old_are_proved_by_their_checksum() -> None:
    socket = socket_of()
    first = old(0, checksum=FIRST)
    assert told(socket.push(BOOKS, first, action="snapshot")) == ["live", f"s{TIME_MS}"]
    levels = {"bids": [["8476.8", "1.50", "0", "1"], ["8476.7", "2", "0", "1"]], "asks": []}
    right = checksum("8476.9", "256", "8477.1", "415", "8476.8", "1.50", "8476.7", "2")
    second = old(100, **levels, checksum=right)
    assert told(socket.push(BOOKS, second, action="update")) == [f"u{TIME_MS}>{TIME_MS + 100}"]
    # The same again is known by its time.
    assert socket.push(BOOKS, second, action="update") == []
    third = old(200, bids=[["8476.8", "0", "0", "0"]], asks=[], checksum=right)
    assert told(socket.push(BOOKS, third, action="update")) == ["out: the checksum is another", OUT]


def test_the_checksum_is_of_the_best_25_levels_in_their_own_digits() -> None:
    bids = [[f"{100 - n}.10", f"{n}.0", "0", "1"] for n in range(1, 41)]
    asks = [[f"{100 + n}.00", f"0.{n}0", "0", "1"] for n in range(1, 31)]
    words: list[str] = []
    for bid, ask in zip(bids[:25], asks[:25], strict=True):
        words += bid[:2] + ask[:2]
    row = old(0, bids=bids, asks=asks, checksum=checksum(*words))
    assert told(socket_of().push(BOOKS, row, action="snapshot"))[0] == "live"


def test_a_wrong_checksum_is_believed_wherever_there_is_one() -> None:
    wrong = ["out: the checksum of a snapshot is another", OUT]
    assert snapshot(socket_of(), 100, checksum=FIRST + 1) == wrong
    socket = socket_of()
    assert snapshot(socket, 100, checksum=FIRST) == ["live", "s100"]
    assert update(socket, 100, 105, checksum=7) == ["out: the checksum is another", OUT]


@pytest.mark.parametrize("absent", [0, None])
def test_without_ids_and_checksum_no_update_is_believed(absent: int | None) -> None:
    socket = live()
    actions = socket.push(BOOKS, old(100, checksum=absent), action="update")
    assert told(actions) == ["out: neither ids nor a checksum", OUT]


def test_an_update_without_ids_cannot_begin_a_book() -> None:
    socket = socket_of()
    row = old(0, checksum=FIRST)
    missing = ["out: the snapshot is missing", OUT]
    assert told(socket.push(BOOKS, row, action="update")) == missing
    socket = socket_of()
    update(socket, 100, 105)
    assert told(socket.push(BOOKS, row, action="update")) == missing


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({"bids": None}, "update", "malformed event"),
        ({"bids": {}}, "update", "malformed event"),
        ({"asks": [["1"]]}, "update", "malformed event"),
        ({"asks": [[1, 2, 0, 0]]}, "update", "malformed event"),
        ({"ts": "x"}, "update", "malformed event"),
        ({"seqId": -1}, "update", "malformed event"),
        ({"prevSeqId": -2}, "update", "malformed event"),
        ({"seqId": 2**63}, "update", "malformed event"),
        ({}, "delete", "unknown value"),
        ({}, None, "unknown value"),
        ({"asks": [["-1", "1", "0", "0"]]}, "update", "malformed levels"),
        ({"asks": [["1", "NaN", "0", "0"]]}, "update", "malformed levels"),
    ],
)
def test_a_message_that_cannot_be_read_costs_the_book_its_stream(
    changes: dict[str, Any], action: str | None, reason: str
) -> None:
    socket = live()
    more = {} if action is None else {"action": action}
    first, out, asked = told(socket.push(BOOKS, book(100, 105) | changes, **more))
    assert (first, asked) == (reason, OUT)
    assert out.startswith("out: ")
    assert update(socket, 100, 105) == []


def test_levels_of_more_columns_and_spread_out_json_are_read() -> None:
    socket = live()
    row = book(100, 105, bids=[["8476.95", "7", "5", "3", "new"]], asks=[["8477", "1"]])
    text = json.dumps({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "update"})
    frame = f'{text[:-1]} , "data" : {json.dumps([row], indent=2)} }}'
    (message,) = socket.frame(frame)
    assert isinstance(message, OrderBook)
    assert message.bids == [("8476.95", "7")]
    assert message.asks == [("8477", "1")]


def test_a_quiet_book_is_published_anew_only_when_it_is_live() -> None:
    socket = live()
    assert told(socket.connection.republish("BTC-USDT", 1)) == ["s100"]
    assert list(socket.connection.republish("ETH-USDT", 1)) == []
    update(socket, 200, 205)
    assert list(socket.connection.republish("BTC-USDT", 1)) == []


def test_no_updates_are_published_in_the_mode_of_snapshots() -> None:
    socket = socket_of(orderbook=OrderBookSettings(mode="snapshots"))
    snapshot(socket, 100)
    assert update(socket, 100, 105) == []
    assert update(socket, 105, 110, ts=str(TIME_MS + 1_000)) == ["s110"]


def test_opening_says_that_no_book_is_there() -> None:
    socket = socket_of()
    assert told(socket.opening) == ["out: waiting for its first snapshot", f"subscribe {BOOKS}"]
    assert isinstance(socket.opening[1], Send)
