"""Books of OKX without their usual beginning or ids: joined by REST, proved by checksums."""

from typing import Any
from zlib import crc32

import pytest

from mprism.feeds.protocol import Fetch
from tests.unit.okx_book import BOOKS, OUT, live, snapshot, socket_of, update
from tests.unit.okx_payloads import TIME_MS, answer, book
from tests.unit.okx_socket import Socket, told


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


@pytest.mark.parametrize("absent", [0, "", None])
def test_ids_alone_prove_a_book_without_a_checksum(absent: int | str | None) -> None:
    socket = socket_of()
    assert snapshot(socket, 100, checksum=absent) == ["live", "s100"]
    assert update(socket, 100, 105, checksum=absent) == ["u100>105"]


@pytest.mark.parametrize("absent", [0, "", None])
def test_without_ids_and_checksum_no_update_is_believed(absent: int | str | None) -> None:
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
