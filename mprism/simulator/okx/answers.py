"""The data of every REST answer of an OKX market. All but `seqId` are strings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mprism.simulator.book import Book, Side
from mprism.simulator.okx.books import Row, level_row
from mprism.simulator.okx.feed import trade_row
from mprism.simulator.okx.instruments import instrument_rows
from mprism.simulator.okx.market import OkxMarket
from mprism.simulator.okx.query import Query
from mprism.simulator.okx.ratios import PERIOD, Ratio
from mprism.simulator.tape import Outcome, Tape
from mprism.simulator.values import ValueTape

MOST_LEVELS, MOST_ROWS, MOST_TRADES = 400, 100, 500
ANY = "ANY"
FOREVER_MS = 10**15


class Answers:
    """The methods take a query, raise BadRequestError, and return the rows of an answer.

    `book` gives a book to be shown, or none.
    """

    def __init__(self, market: OkxMarket, book: Callable[[str], Book | None]) -> None:
        self._market = market
        self._book = book
        self._ids = {listing.inst_id for listing in market.listed}
        self._types = {listing.inst_type for listing in market.listed}

    def time(self, query: Query) -> Sequence[Any]:
        """`public/time`."""
        return [{"ts": self._now}]

    def instruments(self, query: Query) -> Sequence[Any]:
        """`public/instruments`: the whole list of a type, or one of it."""
        inst_type = query.one_of("instType", ("SPOT", "SWAP", "FUTURES", "OPTION", "MARGIN"))
        listed = self._market.listed
        if query.get("instId"):
            wanted = query.instrument(self._ids)
            listed = tuple(listing for listing in listed if listing.inst_id == wanted)
        return instrument_rows(i for i in listed if i.inst_type == inst_type)

    def books(self, query: Query) -> Sequence[Any]:
        """`market/books`: the book as it is now, which may be ahead of the channel."""
        book = self._book(query.instrument(self._ids))
        levels = query.whole("sz", 1, MOST_LEVELS)
        row: dict[str, Any] = {"asks": [], "bids": [], "ts": self._now, "seqId": -1}
        if book is not None:
            row["asks"] = _levels(book, book.asks, levels)
            row["bids"] = _levels(book, book.bids, levels)
            row["seqId"] = book.update_id
        return [row]

    def trades(self, query: Query) -> Sequence[Any]:
        """`market/trades`: the newest fills, newest first."""
        tape = self._fills(query)
        first = max(0, len(tape) - query.whole("limit", 100, MOST_TRADES))
        return _given(tape, range(len(tape) - 1, first - 1, -1))

    def history_trades(self, query: Query) -> Sequence[Any]:
        """`market/history-trades`: fills before `after` and after `before`, newest first.

        These are trade ids, or times in ms if `type` is 2.
        """
        tape = self._fills(query)
        by_time = query.one_of("type", ("1", "2"), "1") == "2"
        older, newer = query.whole("after", FOREVER_MS), query.whole("before", -1)
        limit = query.whole("limit", MOST_ROWS, MOST_ROWS)
        found: list[int] = []
        for index in range(len(tape) - 1, -1, -1):
            place = tape[index].time_us // 1_000 if by_time else tape.first_id + index
            if place <= newer or len(found) == limit:
                break
            if place < older:
                found.append(index)
        return _given(tape, found)

    def funding_rate(self, query: Query) -> Sequence[Any]:
        """`public/funding-rate` of one perpetual contract, or of all of them."""
        funding = self._market.funding
        if query.get("instId") != ANY:
            inst_id = query.instrument(self._ids)
            funding = {inst_id: funding[inst_id]} if inst_id in funding else {}
        return [_latest(rate.tape, rate.row) for rate in funding.values()]

    def open_interest(self, query: Query) -> Sequence[Any]:
        """`public/open-interest` of a type, a family of it, or one instrument."""
        inst_type = query.one_of("instType", ("SWAP", "FUTURES", "OPTION"))
        wanted = query.instrument(self._ids) if query.get("instId") else None
        family = query.get("instFamily")
        return [
            _latest(interest.tape, interest.row)
            for inst_id, interest in self._market.interest.items()
            if interest.row["instType"] == inst_type
            and wanted in (None, inst_id)
            and family in ("", self._market.feeds[inst_id].listing.family)
        ]

    def position_ratio(self, query: Query) -> Sequence[Any]:
        """`rubik/stat/contracts/long-short-position-ratio-contract-top-trader`."""
        ratios = self._market.ratios
        return _ratio_rows(ratios[query.instrument(ratios)].positions, query)

    def account_ratio(self, query: Query) -> Sequence[Any]:
        """`rubik/stat/contracts/long-short-account-ratio-contract`."""
        ratios = self._market.ratios
        return _ratio_rows(ratios[query.instrument(ratios)].accounts, query)

    @property
    def _now(self) -> str:
        return str(self._market.now_us // 1_000)

    def _fills(self, query: Query) -> Tape:
        return self._market.feeds[query.instrument(self._market.feeds)].fills


def _levels(book: Book, side: Side, limit: int) -> list[Row]:
    return [level_row(book, key, side.lots[key]) for key in side.order[:limit]]


def _given(tape: Tape, indices: Iterable[int]) -> list[dict[str, Any]]:
    rows = []
    for index in indices:
        tape.note(index, Outcome.SENT)
        rows.append({**trade_row(tape, index), "source": "0"})
    return rows


def _latest(tape: ValueTape, row: dict[str, Any]) -> dict[str, Any]:
    tape.note(len(tape) - 1, Outcome.SENT)
    return row


def _ratio_rows(ratio: Ratio, query: Query) -> list[list[str]]:
    query.one_of("period", (PERIOD, "15m", "30m", "1H", "2H", "4H"), PERIOD)
    begin, end = query.whole("begin", 0), query.whole("end", FOREVER_MS)
    return ratio.rows(begin, end, query.whole("limit", MOST_ROWS, MOST_ROWS))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`limit` requests in two seconds, by the value of the parameter `counted_by` if any."""

    answer: Callable[[Answers, Query], Sequence[Any]]
    limit: int
    counted_by: str = ""


_RATIO = "rubik/stat/contracts/long-short-"
ENDPOINTS: dict[str, Endpoint] = {
    "public/time": Endpoint(Answers.time, 10),
    "public/instruments": Endpoint(Answers.instruments, 20, "instType"),
    "public/funding-rate": Endpoint(Answers.funding_rate, 10, "instId"),
    "public/open-interest": Endpoint(Answers.open_interest, 20, "instId"),
    "market/books": Endpoint(Answers.books, 40),
    "market/trades": Endpoint(Answers.trades, 100),
    "market/history-trades": Endpoint(Answers.history_trades, 20),
    f"{_RATIO}position-ratio-contract-top-trader": Endpoint(Answers.position_ratio, 5, "instId"),
    f"{_RATIO}account-ratio-contract": Endpoint(Answers.account_ratio, 5, "instId"),
}
"""By path after the version."""
