"""Order books (OKX v5, "Order book channel" and "Get order book").

The exchange keeps 400 levels a side by updates alone. A level is price, size and two columns
that are not published. Books of before 2023 have no ids: their checksum proves them instead,
and their time stands for the id.
"""

from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from typing import Annotated, Final, TypeGuard
from zlib import crc32

import msgspec
from msgspec import Meta, Raw, Struct, field

from mprism.feeds.book import OrderBook
from mprism.feeds.decoding import NS_PER_MS, Id, Milliseconds
from mprism.feeds.okx.answers import rows_of
from mprism.feeds.okx.wire import Push, Unreadable
from mprism.feeds.protocol import Action, Request
from mprism.feeds.streamed_book import BookChange, StreamedBook

WINDOW: Final = 400
_CHECKED_LEVELS: Final = 25


class Row(Struct, array_like=True, gc=False):
    """One level without the columns behind its size."""

    price: str
    size: str


class BookRow(Struct, gc=False):
    """A snapshot or an update. Ids come with a prevSeqId of -1 where nothing was before."""

    asks: list[Row]
    bids: list[Row]
    time: Milliseconds = field(name="ts")
    last_id: Id | None = field(name="seqId", default=None)
    previous_id: Annotated[int, Meta(ge=-1, le=2**63 - 1)] | None = field(
        name="prevSeqId", default=None
    )
    checksum: int | str | None = None  # 0 since 2026-06-23: no longer told


_decode = msgspec.json.Decoder(BookRow, strict=False).decode
_encode = msgspec.json.Encoder().encode


class Books:
    """The channel `books` of one instrument."""

    def __init__(self, book: StreamedBook) -> None:
        self._book = book

    def read(self, raw: Raw, push: Push) -> Iterator[Action]:
        """What an entry leads to. Raises what makes an entry unreadable."""
        if push.action not in ("snapshot", "update"):
            raise Unreadable("unknown value", f"action {push.action!r}")
        change = _change(_decode(raw), is_snapshot=push.action == "snapshot")
        yield from self._book.receive(change, push.recv_ns)


def snapshot_request(instrument_id: str) -> Request:
    """The same book by REST, of the same depth and with the same ids."""
    return Request("/api/v5/market/books", {"instId": instrument_id, "sz": WINDOW}, pool="books")


def snapshot_of(body: bytes) -> BookChange:
    """The book in an answer. Raises NetworkFault, UNDECODABLE or Unreadable for none."""
    rows = rows_of(body)
    if len(rows) != 1:
        raise Unreadable("malformed snapshot", f"{len(rows)} books")
    row = _decode(rows[0])
    if row.last_id is None:
        raise Unreadable("malformed snapshot", "no seqId")
    return _change(row, is_snapshot=True)


def _change(row: BookRow, *, is_snapshot: bool) -> BookChange:
    has_ids = row.last_id is not None and not is_snapshot
    return BookChange(
        is_snapshot=is_snapshot,
        previous_id=row.previous_id if has_ids else None,
        last_id=row.time if row.last_id is None else row.last_id,
        ts_event=row.time * NS_PER_MS,
        bids=Raw(_encode(row.bids)),
        asks=Raw(_encode(row.asks)),
        is_right=partial(_has_checksum, row.checksum) if _is_told(row.checksum) else None,
    )


def _is_told(checksum: int | str | None) -> TypeGuard[int]:
    """Whether there is a checksum: zero, an empty one and none at all are not."""
    return isinstance(checksum, int) and checksum != 0


def _has_checksum(checksum: int, book: OrderBook) -> bool:
    """Whether the best levels, bid and ask in turn, have this CRC32, a signed one."""
    sides = book.bids.levels(_CHECKED_LEVELS), book.asks.levels(_CHECKED_LEVELS)
    levels = [level for pair in zip_longest(*sides) for level in pair if level is not None]
    text = b":".join(level[1:-1].replace(b'","', b":") for level in levels)
    return crc32(text) == checksum & 0xFFFFFFFF
