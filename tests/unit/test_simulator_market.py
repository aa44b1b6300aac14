"""The market model: deterministic, never crossed, at its rate, and true to its own log."""

from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mprism.simulator.binance.catalog import select
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.venue import VENUES, Market
from mprism.simulator.book import Book, Replay

START_US = 1_800_000_000_000_000
SECOND = 1_000_000
QUIET = {"spot": "BLZETH", "usdm": "CTKUSDT"}

markets = pytest.mark.parametrize("market", ["spot", "usdm"])


def open_market(market: Market, *, seed: int = 1, rate: float = 400.0) -> BinanceMarket:
    venue = VENUES[market]
    return BinanceMarket(
        venue,
        select(venue.catalog, ("BTCUSDT", "ETHUSDT", QUIET[market])),
        seed=seed,
        rate=rate,
        levels=120,
        start_us=START_US,
    )


def sent(state: BinanceMarket, seconds: float, step_us: int = SECOND) -> list[tuple[str, Any]]:
    """Everything that is published in so many seconds, as (stream, message)."""
    end = state.now_us + int(seconds * SECOND)
    messages = []
    while state.now_us < end:
        for publication in state.advance(min(end, state.now_us + step_us)):
            payload = publication.payload(combined=False, unit=1_000)
            messages.append((publication.stream, msgspec.json.decode(payload)))
    return messages


def by_stream(messages: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    streams = defaultdict(list)
    for stream, message in messages:
        streams[stream].append(message)
    return streams


@markets
def test_the_same_seed_makes_the_same_messages_however_time_is_cut(market: Market) -> None:
    once = sent(open_market(market), 3)
    again = sent(open_market(market), 3, step_us=130_000)
    assert once == again
    assert once != sent(open_market(market, seed=2), 3)


@markets
def test_a_symbol_does_not_depend_on_the_others_opening(market: Market) -> None:
    venue = VENUES[market]
    opened = {
        symbols: BinanceMarket(
            venue, select(venue.catalog, symbols), seed=5, rate=0, levels=50, start_us=START_US
        )
        for symbols in (("ETHUSDT",), ("BTCUSDT", "ETHUSDT"))
    }
    books = [state.feeds["ETHUSDT"].market.opening.top() for state in opened.values()]
    assert books[0] == books[1]


def test_spot_depth_events_follow_each_other_without_a_gap() -> None:
    streams = by_stream(sent(open_market("spot"), 5))
    for channel in ("depth@100ms", "depth"):
        events = streams[f"btcusdt@{channel}"]
        assert len(events) >= 4
        assert all(b["U"] == a["u"] + 1 for a, b in pairwise(events))
        assert all("pu" not in event and "T" not in event for event in events)
    assert len(streams["btcusdt@depth@100ms"]) > 3 * len(streams["btcusdt@depth"])


def test_usdm_depth_events_name_the_one_before_them_on_their_stream() -> None:
    streams = by_stream(sent(open_market("usdm"), 5))
    for channel in ("depth@100ms", "depth", "depth@500ms"):
        events = streams[f"btcusdt@{channel}"]
        assert len(events) >= 8
        assert all(b["pu"] == a["u"] < b["U"] <= b["u"] for a, b in pairwise(events))
        jumps = sum(b["U"] > a["u"] + 1 for a, b in pairwise(events))
        assert jumps > len(events) / 2
    events = streams["btcusdt@depth"]
    assert (events[0]["ps"], events[0]["st"]) == ("BTCUSDT", 1)


@markets
def test_trade_ids_are_consecutive_and_aggregates_cover_the_trades(market: Market) -> None:
    streams = by_stream(sent(open_market(market), 5))
    trades = streams["btcusdt@trade"]
    assert all(b["t"] == a["t"] + 1 for a, b in pairwise(trades))
    by_id = {trade["t"]: trade for trade in trades}
    aggregates = streams["btcusdt@aggTrade"]
    assert all(b["a"] == a["a"] + 1 and b["f"] > a["l"] for a, b in pairwise(aggregates))
    for aggregate in aggregates:
        covered = [by_id[i] for i in range(aggregate["f"], aggregate["l"] + 1)]
        covered = [trade for trade in covered if trade.get("X", "MARKET") == "MARKET"]
        assert {(t["p"], t["m"]) for t in covered} == {(aggregate["p"], aggregate["m"])}
        assert sum(Decimal(t["q"]) for t in covered) == Decimal(aggregate["q"])
        assert aggregate["T"] == covered[-1]["T"]
    assert any(aggregate["l"] > aggregate["f"] for aggregate in aggregates)


def test_usdm_aggregates_come_every_100_ms_and_leave_other_fills_out() -> None:
    streams = by_stream(sent(open_market("usdm"), 10))
    assert {event["E"] % 100 for event in streams["btcusdt@aggTrade"]} == {0}
    assert {event["E"] % 100 for event in streams["ethusdt@aggTrade"]} == {10}
    assert all(event["nq"] == event["q"] for event in streams["btcusdt@aggTrade"])
    others = {t["t"] for t in streams["btcusdt@trade"] if t["X"] != "MARKET"}
    ends = {i for event in streams["btcusdt@aggTrade"] for i in (event["f"], event["l"])}
    assert others
    assert not others & ends


def test_spot_publishes_trades_before_the_next_depth_event_is_due() -> None:
    trades = by_stream(sent(open_market("spot"), 2))["btcusdt@trade"]
    assert len({trade["E"] % 100 for trade in trades}) > 5
    assert all(trade["E"] == trade["T"] for trade in trades)


@markets
@pytest.mark.parametrize("rate", [20, 1_000])
def test_the_rate_counts_trades_and_main_depth_events(market: Market, rate: int) -> None:
    channel = VENUES[market].trade_channel
    counts = Counter(
        stream.split("@", 1)[1] for stream, _ in sent(open_market(market, rate=rate), 10)
    )
    assert counts[channel] + counts["depth@100ms"] == pytest.approx(10 * rate, rel=0.05, abs=10)


@markets
def test_a_quiet_symbol_says_something_every_few_seconds(market: Market) -> None:
    events = by_stream(sent(open_market(market, rate=10), 60))[
        f"{QUIET[market].lower()}@depth@100ms"
    ]
    assert 6 <= len(events) <= 21
    assert min(b["E"] - a["E"] for a, b in pairwise(events)) >= 2_800


@markets
def test_nothing_happens_at_rate_zero_but_that_time_passes(market: Market) -> None:
    messages = sent(open_market(market, rate=0), 20)
    assert [stream for stream, _ in messages if "@markPrice" not in stream] == []


@markets
def test_events_applied_to_the_opening_book_give_the_true_book(market: Market) -> None:
    state = open_market(market)
    truth = state.truth()
    streams = by_stream(sent(state, 5))
    for symbol in truth.symbols:
        opening = next(truth.states(symbol))
        bids, asks = (dict(side) for side in opening.top())
        for event in streams[f"{symbol.lower()}@depth@100ms"]:
            for side, changes in ((bids, event["b"]), (asks, event["a"])):
                for price, quantity in changes:
                    if Decimal(quantity):
                        side[price] = quantity
                    else:
                        side.pop(price, None)
            true = truth.book_at(symbol, event["u"])
            assert sorted(bids.items(), key=lambda level: -Decimal(level[0])) == true.top()[0]
            assert sorted(asks.items(), key=lambda level: Decimal(level[0])) == true.top()[1]


@markets
def test_levels_are_removed_that_never_existed(market: Market) -> None:
    state = open_market(market)
    list(state.advance(state.now_us + 20 * SECOND))
    feed = state.feeds["BTCUSDT"]
    log, book = feed.market.log, feed.market.opening.copy()
    unknown = 0
    for update_id, key, lots in zip(log.ids, log.keys, log.lots, strict=True):
        unknown += lots == 0 and key not in book.side_of(key).lots
        book.apply(update_id, key, lots)
    assert 0 < unknown < len(log) / 20


@markets
def test_a_taker_gets_the_best_prices_and_takes_their_quantity_away(market: Market) -> None:
    state = open_market(market)
    feed = state.feeds["BTCUSDT"].market
    for _ in range(300):
        before = feed.book.copy()
        start = len(feed.log)
        order = feed.order()
        side = before.bids if order.buyer_is_maker else before.asks
        taken: Counter[int] = Counter()
        for fill in order.fills:
            taken[-fill.price if order.buyer_is_maker else fill.price] += fill.lots
        assert list(taken) == side.order[: len(taken)]
        # The first changes of the order are the levels that it ate, in order.
        changes = range(start, start + len(taken))
        left = {feed.log.keys[i]: feed.log.lots[i] for i in changes}
        assert left == {key: side.lots[key] - lots for key, lots in taken.items()}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), market=st.sampled_from(["spot", "usdm"]))
def test_no_state_of_any_book_is_crossed_or_empty(seed: int, market: Market) -> None:
    state = open_market(market, seed=seed)
    list(state.advance(state.now_us + SECOND))
    for symbol in state.feeds:
        for book in state.truth().states(symbol):
            best_bid, best_ask = -book.bids.order[0], book.asks.order[0]
            assert 0 < best_bid < best_ask
            assert min(len(book.bids.order), len(book.asks.order)) >= 20
            assert min(book.bids.lots.values()) > 0 < min(book.asks.lots.values())


@markets
def test_stale_books_are_from_one_to_two_seconds_ago(market: Market) -> None:
    state = open_market(market)
    truth = state.truth()
    list(state.advance(state.now_us + 5 * SECOND + SECOND // 2))
    stale = state.stale_books()["BTCUSDT"]
    last = by_stream(sent(state, 0.1))["btcusdt@depth@100ms"][-1]
    assert truth.book_at("BTCUSDT", stale.update_id).top() == stale.top()
    changes = truth.tape("BTCUSDT")
    assert stale.update_id < last["U"] - 1
    assert len(changes) > 100


def test_truth_finds_every_state_in_any_order_and_no_other() -> None:
    state = open_market("usdm", rate=100)
    list(state.advance(state.now_us + SECOND))
    feed = state.feeds["BTCUSDT"]
    truth = state.truth()
    ids = [book.update_id for book in truth.states("BTCUSDT")]
    assert ids == sorted(set(ids))
    assert ids[0] == feed.market.opening.update_id
    assert ids[-1] == feed.market.book.update_id

    def levels(book: Book) -> object:
        return book.top()

    newest = levels(truth.book_at("BTCUSDT", ids[-1]))
    assert newest == levels(feed.market.book)
    assert levels(truth.book_at("BTCUSDT", ids[0])) == levels(feed.market.opening)
    assert levels(truth.book_at("BTCUSDT", ids[-1])) == newest
    unknown = next(i for i in range(ids[0], ids[-1]) if i not in set(ids))
    for update_id in (unknown, ids[0] - 1, ids[-1] + 1):
        with pytest.raises(KeyError):
            truth.book_at("BTCUSDT", update_id)


def test_a_replay_leaves_the_opening_book_as_it_is() -> None:
    feed = open_market("spot").feeds["BTCUSDT"]
    before = feed.market.opening.top()
    for _ in range(50):
        feed.order(START_US)
    Replay(feed.market.opening, feed.market.log).at(feed.market.book.update_id)
    assert feed.market.opening.top() == before != feed.market.book.top()


def test_decimals_have_the_form_of_their_market() -> None:
    spot = open_market("spot").feeds["BTCUSDT"].market.book.top(1)
    usdm = open_market("usdm").feeds["BTCUSDT"].market.book.top(1)
    assert spot[0][0][0] == "65123.45000000"
    assert usdm[0][0][0] == "65123.40"
    assert len(spot[0][0][1].partition(".")[2]) == 8
    assert len(usdm[0][0][1].partition(".")[2]) == 3


def test_a_symbol_without_a_market_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="LRCBTC"):
        select(VENUES["spot"].catalog, ("BTCUSDT", "LRCBTC"))
