"""The demo's comparison sees everything that can be wrong with a stream, and nothing else."""

from collections.abc import Callable, Sequence

import msgspec
import pytest
from msgspec.structs import replace

from mprism.demo.compare import Comparison
from mprism.demo.result import Result
from mprism.schema import Event, Level, OrderBook, Trade
from mprism.simulator import Truth
from mprism.simulator.binance.catalog import select
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.venue import VENUES
from mprism.simulator.tape import Outcome, TradeRecord

SYMBOL = "BTCUSDT"
STEPS = 12
SNAPSHOT_EVERY = 4
DEPTH = 30


class Session:
    """A short session of one spot symbol: its truth, and the messages of a faultless collector."""

    def __init__(self) -> None:
        venue = VENUES["spot"]
        market = BinanceMarket(
            venue, select(venue.catalog, (SYMBOL,)), seed=3, rate=0, levels=80, start_us=10**15
        )
        self.truth: Truth = market.truth()
        last_id = market.feeds[SYMBOL].market.opening.update_id
        self.books: list[OrderBook] = [self.book("snapshot", last_id, None)]
        for step in range(1, STEPS + 1):
            for _ in range(3):
                market.feeds[SYMBOL].order(market.now_us)
            for publication in market.advance(market.now_us + 100_000):
                if publication.stream.endswith("@depth@100ms"):
                    assert publication.updates is not None
                    publication.updates.append(publication.update_id)
                    event = msgspec.json.decode(publication.payload(False, 1_000))
                    levels = _levels(event["b"]), _levels(event["a"])
                    self.books.append(self.book("update", event["u"], last_id, levels))
                    last_id = event["u"]
            if step % SNAPSHOT_EVERY == 0:
                self.books.append(self.book("snapshot", last_id, None))
        tape = self.truth.tape(SYMBOL)
        tape.confirm(0, len(tape) - 1)
        self.trades = [_trade(record) for record in self.truth.trades(SYMBOL)]

    def book(
        self,
        kind: str,
        last_id: int,
        prev_id: int | None,
        levels: tuple[list[Level], list[Level]] | None = None,
    ) -> OrderBook:
        """A message about the true book at `last_id`."""
        true = self.truth.book_at(SYMBOL, last_id)
        bids, asks = levels or true.top(DEPTH)
        (best_bid,), (best_ask,) = true.top(1)
        return OrderBook(
            exchange="binance_spot",
            market_type="spot",
            symbol="BTC-USDT",
            instrument_id=SYMBOL,
            timestamp="",
            ts_event=1,
            ts_recv=2,
            quantity_unit="base",
            contract_size=None,
            update_type=kind,  # type: ignore[arg-type]
            last_update_id=last_id,
            prev_update_id=prev_id,
            bids=bids,
            asks=asks,
            best_bid_price=best_bid[0],
            best_bid_quantity=best_bid[1],
            best_ask_price=best_ask[0],
            best_ask_quantity=best_ask[1],
            depth_levels=max(len(bids), len(asks)),
        )


def _levels(raw: list[list[str]]) -> list[Level]:
    return [(price, quantity) for price, quantity in raw]


def _trade(record: TradeRecord) -> Trade:
    return Trade(
        exchange="binance_spot",
        market_type="spot",
        symbol="BTC-USDT",
        instrument_id=SYMBOL,
        timestamp="",
        ts_event=1,
        ts_recv=2,
        quantity_unit="base",
        contract_size=None,
        trade_id=str(record.trade_id),
        price=record.price,
        quantity=record.quantity,
        side="sell" if record.buyer_is_maker else "buy",
        is_maker=record.buyer_is_maker,
    )


@pytest.fixture
def session() -> Session:
    return Session()


def compared(
    session: Session, events: Sequence[Event], interruptions: int = 0
) -> tuple[Result, Result, list[str]]:
    """The rows of books and trades, and the problems in words."""
    comparison = Comparison([session.truth])
    for event in events:
        comparison.read(event)
    books, trades = comparison.end({"binance_spot": interruptions})
    return books, trades, comparison.problems.texts


def faults(result: Result) -> dict[str, int]:
    """What a row says is wrong."""
    names = ("lost", "duplicated", "out_of_order", "wrong")
    return {name: getattr(result, name) for name in names if getattr(result, name)}


def test_a_faultless_stream_is_right(session: Session) -> None:
    books, trades, problems = compared(session, [*session.books, *session.trades])
    assert problems == []
    assert books.is_right
    assert trades.is_right
    assert (books.sent, books.stored) == (STEPS, STEPS)
    assert books.compared == len(session.books)
    assert trades.sent == trades.stored == len(session.trades) > STEPS


def test_nothing_at_all_is_not_right(session: Session) -> None:
    books, trades, problems = compared(session, [])
    assert not books.is_right
    assert faults(trades) == {"lost": len(session.trades)}
    assert 0 < len(problems) < len(session.trades)


Trades = Callable[[list[Trade]], list[Trade]]

BROKEN_TRADES: dict[str, tuple[Trades, dict[str, int]]] = {
    "the first is lost": (lambda t: t[1:], {"lost": 1}),
    "the last is lost": (lambda t: t[:-1], {"lost": 1}),
    "some are lost": (lambda t: t[:5] + t[8:], {"lost": 3}),
    "one is there twice": (lambda t: [*t[:5], *t[4:]], {"duplicated": 1}),
    "one comes again later": (lambda t: [*t, t[0]], {"duplicated": 1}),
    "two have changed places": (
        lambda t: [*t[:5], t[6], t[5], *t[7:]],
        {"out_of_order": 1},
    ),
    "a price": (lambda t: [replace(t[0], price="1.00000000"), *t[1:]], {"lost": 1}),
    "a quantity": (lambda t: [replace(t[0], quantity="1.00000000"), *t[1:]], {"lost": 1}),
    "a side": (lambda t: [replace(t[0], is_maker=not t[0].is_maker), *t[1:]], {"lost": 1}),
}


@pytest.mark.parametrize(("breaks", "expected"), BROKEN_TRADES.values(), ids=BROKEN_TRADES)
def test_a_wrong_trade(session: Session, breaks: Trades, expected: dict[str, int]) -> None:
    books, trades, problems = compared(session, [*session.books, *breaks(session.trades)])
    assert books.is_right
    assert not trades.is_right
    assert faults(trades) == expected
    assert len(problems) == sum(expected.values())
    assert all(SYMBOL in problem for problem in problems)


def test_a_trade_that_was_never_sent(session: Session) -> None:
    invented = replace(session.trades[-1], trade_id=str(int(session.trades[-1].trade_id) + 1))
    _, trades, problems = compared(session, [*session.books, *session.trades, invented])
    assert not trades.is_right
    assert problems == [f"{SYMBOL} trade {invented.trade_id} was never sent"]


def test_a_withheld_trade_need_not_be_there(session: Session) -> None:
    """Nor one that may have been read or not; but that one may."""
    tape = session.truth.tape(SYMBOL)
    tape.confirm(0, len(tape) - 1)
    outcomes = tape._outcomes  # what became of a trade never gets worse but here
    outcomes[3], outcomes[7] = Outcome.LOST, Outcome.SENT
    events = [trade for n, trade in enumerate(session.trades) if n not in (3, 7)]
    for stored in (events, [*events[:6], session.trades[7], *events[6:]]):
        _, trades, problems = compared(session, [*session.books, *stored])
        assert (trades.is_right, problems) == (True, [])
        assert trades.sent == len(session.trades) - 2


Books = Callable[[list[OrderBook]], list[OrderBook]]


def _changed(n: int, **changes: object) -> Books:
    return lambda books: [*books[:n], replace(books[n], **changes), *books[n + 1 :]]


def _bid(n: int, quantity: str) -> Books:
    def change(books: list[OrderBook]) -> list[OrderBook]:
        (price, _), *others = books[n].bids
        return _changed(n, bids=[(price, quantity), *others])(books)

    return change


FIRST_UPDATE = 1
SECOND_SNAPSHOT = 1 + SNAPSHOT_EVERY

BROKEN_BOOKS: dict[str, tuple[Books, dict[str, int]]] = {
    "an update is there twice": (lambda b: [*b[:3], *b[2:]], {"duplicated": 1}),
    "a snapshot is there twice": (
        lambda b: [*b[: SECOND_SNAPSHOT + 1], *b[SECOND_SNAPSHOT:]],
        {"duplicated": 1},
    ),
    "the best bid is another": (_changed(2, best_bid_price="1.00000000"), {"wrong": 1}),
    "its quantity is another": (_changed(2, best_bid_quantity="9"), {"wrong": 1}),
    "the best ask is missing": (_changed(2, best_ask_price=None), {"wrong": 1}),
    "a level of a snapshot is wrong": (_bid(SECOND_SNAPSHOT, "123.00000000"), {"wrong": 1}),
    "a level of a snapshot is missing": (
        lambda b: _changed(SECOND_SNAPSHOT, asks=b[SECOND_SNAPSHOT].asks[1:])(b),
        {"wrong": 1},
    ),
    "an id that never was": (
        lambda b: _changed(STEPS + 3, last_update_id=b[-1].last_update_id + 1)(b),
        {"lost": 1, "wrong": 1},
    ),
}


@pytest.mark.parametrize(("breaks", "expected"), BROKEN_BOOKS.values(), ids=BROKEN_BOOKS)
def test_a_wrong_book_message(session: Session, breaks: Books, expected: dict[str, int]) -> None:
    books, trades, problems = compared(session, [*breaks(session.books), *session.trades])
    assert trades.is_right
    assert faults(books) == expected
    assert not books.is_right
    assert len(problems) == sum(expected.values())


def test_a_lost_update_breaks_the_chain(session: Session) -> None:
    """What follows is wrong until a snapshot, as it is for a user."""
    books, _, problems = compared(session, [*session.books[:2], *session.books[3:]])
    assert books.lost == 1
    assert not books.is_right
    assert "and the message before it was" in problems[0]


def test_updates_that_have_changed_places(session: Session) -> None:
    stored = [*session.books[:2], session.books[3], session.books[2], *session.books[4:]]
    books, _, _ = compared(session, stored)
    assert books.out_of_order == 1
    assert books.lost > 0


def test_a_wrong_level_of_an_update_makes_the_books_after_it_wrong(session: Session) -> None:
    """Up to the next snapshot, from which a reader may start again."""
    stored = _bid(FIRST_UPDATE, "123.00000000")(session.books)
    books, _, _ = compared(session, stored)
    assert 1 <= books.wrong < len(session.books)
    assert faults(books) == {"wrong": books.wrong}


def test_problems_are_described_up_to_a_limit(session: Session) -> None:
    _, trades, problems = compared(session, session.books)
    assert trades.lost == len(session.trades) > 20
    assert len(problems) == 20


def test_a_book_that_never_came_back_is_seen(session: Session) -> None:
    """Its stored messages are all right; only the exchange's own end tells."""
    until = STEPS // 2
    books, _, problems = compared(session, [*session.books[:until], *session.trades])
    assert faults(books) == {"lost": STEPS - (until - 2)}
    assert "its exchange at" in problems[0]


def test_missing_updates_need_an_interruption_that_the_collector_tells_of(
    session: Session,
) -> None:
    # The update before the second snapshot is not there; the snapshot stands for it.
    events = [*session.books[:SNAPSHOT_EVERY], *session.books[SNAPSHOT_EVERY + 1 :]]
    books, _, _ = compared(session, [*events, *session.trades], interruptions=1)
    assert faults(books) == {}
    assert books.sent == books.stored + 1 == STEPS
    books, _, _ = compared(session, [*events, *session.trades], interruptions=0)
    assert faults(books) == {"lost": 1}
