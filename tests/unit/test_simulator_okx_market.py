"""The simulated OKX market: repeatable, in the units of its contracts, true to its own log."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from mprism.simulator.faults import ResetSequence
from mprism.simulator.okx.catalog import CATALOGS, Kind, PlainGrid, select
from mprism.simulator.okx.figures import figure, scaled
from mprism.simulator.okx.market import OkxMarket
from tests.unit.okx_api import SECOND, START_US, open_market

kinds = pytest.mark.parametrize("kind", ["spot", "derivatives"])


def sent(market: OkxMarket, seconds: float, step_us: int = SECOND) -> list[tuple[str, Any]]:
    """Everything that is published in so many seconds, as (stream, message)."""
    end = market.now_us + int(seconds * SECOND)
    messages = []
    while market.now_us < end:
        for publication in market.advance(min(end, market.now_us + step_us)):
            payload = publication.payload(combined=False, unit=1_000)
            messages.append((publication.stream, msgspec.json.decode(payload)))
    return messages


@kinds
def test_the_same_seed_makes_the_same_messages_however_time_is_cut(kind: Kind) -> None:
    once = sent(open_market(kind), 8)
    assert once == sent(open_market(kind), 8, step_us=130_000)
    assert once != sent(open_market(kind, seed=2), 8)


@kinds
def test_every_stream_of_an_open_market_is_served_on_its_path(kind: Kind) -> None:
    market = open_market(kind)
    streams = {stream for stream, _ in sent(market, 8)}
    served = market.openings["public"].keys() | market.openings["business"].keys()
    assert streams < served
    assert {stream.partition(":")[0] for stream in served - streams} == {"instruments"}
    assert {stream.partition(":")[0] for stream in market.openings["business"]} == {"trades-all"}
    for stream, message in sent(market, 1):
        channel, _, value = stream.partition(":")
        assert message["arg"]["channel"] == channel
        assert value in message["arg"].values()


@kinds
def test_the_rate_counts_fills_and_book_updates(kind: Kind) -> None:
    messages = sent(open_market(kind, rate=200), 10)
    main = [stream for stream, _ in messages if stream.startswith(("trades-all:", "books:"))]
    assert len(main) == pytest.approx(2_000, rel=0.05)


def test_no_book_is_deeper_than_its_channel() -> None:
    market = open_market("spot", levels=1_500)
    list(market.advance(START_US + SECOND))
    for feed in market.feeds.values():
        sides = feed.market.book.bids.order, feed.market.book.asks.order
        assert [len(side) for side in sides] == [400, 400]


def test_units_and_factors() -> None:
    truth = open_market("derivatives").truth()
    assert {symbol: truth.contract(symbol) for symbol in truth.symbols} == {
        "BTC-USDT-SWAP": ("base", "0.01"),
        "ETH-USDT-SWAP": ("base", "0.1"),
        "BTC-USD-SWAP": ("contracts", "1"),
        "BTC-USD-261225": ("contracts", "1"),
        "BTC-USD_UM_XPERP-310404": ("base", "0.0001"),
    }
    assert open_market("spot").truth().contract("BTC-USDT") == ("base", "1")


def test_data_types_of_each_market() -> None:
    assert open_market("spot").truth().data_types == {"orderbook", "trade"}
    assert open_market("derivatives").truth().data_types == {
        "orderbook",
        "trade",
        "funding_rate",
        "open_interest",
        "liquidation",
        "lsr_top_position",
        "lsr_all_account",
    }


def test_sizes_of_some_contracts_are_fractions_and_of_others_whole() -> None:
    messages = sent(open_market("derivatives"), 4)
    sizes = {
        symbol: [m["data"][0]["sz"] for s, m in messages if s == f"trades-all:{symbol}"]
        for symbol in ("BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD-261225")
    }
    assert any("." in size for size in sizes["BTC-USDT-SWAP"])
    assert not any("." in size for size in sizes["BTC-USD-SWAP"])
    assert {len(size.partition(".")[2]) for size in sizes["BTC-USD-261225"]} == {0, 1}
    assert not any(size.endswith((".0", ".")) for sent in sizes.values() for size in sent)


def test_liquidations_are_told_apart_and_match_their_records() -> None:
    market = open_market("derivatives")
    messages = sent(market, 40)
    records = {
        (tape.symbol, record.time_ms): record.fields
        for tape in market.truth().values()
        if tape.data_type == "liquidation"
        for record in tape.records()
    }
    assert len(records) == sum(
        len(tape) for tape in market.truth().values() if tape.data_type == "liquidation"
    )
    told = 0
    positions = set()
    for stream, message in messages:
        for row in message["data"] if stream.startswith("liquidation-orders:") else ():
            listing = market.feeds[row["instId"]].listing
            factor = Decimal(listing.quantity_factor)
            times = [int(detail["ts"]) for detail in row["details"]]
            assert stream.endswith(row["instType"])
            assert len(times) == len(set(times))
            for detail in row["details"]:
                fields = records[row["instId"], int(detail["ts"])]
                told += 1
                positions.add(detail["posSide"])
                assert (fields["side"], fields["price"]) == (detail["side"], detail["bkPx"])
                assert Decimal(str(fields["quantity"])) == Decimal(detail["sz"]) * factor
                position = "short" if detail["side"] == "buy" else "long"
                assert fields["position_side"] == position
                value = Decimal(detail["sz"]) * Decimal(listing.contract_value)
                if listing.contract_type == "linear":
                    value *= Decimal(detail["bkPx"])
                assert Decimal(str(fields["notional_value"])) == value
                assert detail["posSide"] in (position, "net")
    assert told > 60
    assert positions == {"long", "short", "net"}


def test_no_two_liquidations_of_an_instrument_have_the_same_time() -> None:
    market = open_market("derivatives", rate=0)
    (source,) = (
        s for s in market.sources if "liquidation-orders:SWAP" in getattr(s, "openings", "")
    )
    for second in range(7_200):
        list(source.due(START_US + second * SECOND))
    for tape in source.values:
        times = [record.time_ms for record in tape.records()]
        assert len(times) == len(set(times)) > 3_000


def test_ids_of_all_books_go_on_from_smaller_ones_and_are_found() -> None:
    market = open_market("derivatives")
    truth = market.truth()
    list(market.advance(START_US + SECOND))
    before = {symbol: feed.market.book.update_id for symbol, feed in market.feeds.items()}
    assert list(market.inject(ResetSequence())) == []
    list(market.advance(START_US + 2 * SECOND))
    for symbol, feed in market.feeds.items():
        assert feed.market.book.update_id < before[symbol]
        ids = [book.update_id for book in truth.states(symbol)]
        assert len(ids) == len(set(ids))
        assert [truth.position(symbol, update_id) for update_id in ids] == list(range(len(ids)))
        assert truth.book_at(symbol, ids[-1]).top() == feed.market.book.top()
        assert truth.book_at(symbol, before[symbol]).update_id == before[symbol]
        with pytest.raises(KeyError):
            truth.book_at(symbol, ids[-1] + 1)


def test_instruments_without_a_market_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="LUNA-USDT"):
        select(CATALOGS["spot"], ("BTC-USDT", "LUNA-USDT"))


@pytest.mark.parametrize(
    ("grid", "count", "text"),
    [
        (PlainGrid(1), 304_000, "30400"),
        (PlainGrid(8), 1, "0.00000001"),
        (PlainGrid(2), 0, "0"),
        (PlainGrid(0), 120, "120"),
        (PlainGrid(2), 1_250, "12.5"),
    ],
)
def test_decimals_have_no_zeros_at_the_end(grid: PlainGrid, count: int, text: str) -> None:
    assert grid.text(count) == text


@pytest.mark.parametrize(
    ("count", "digits", "text"),
    [(1, 16, "0.0000000000000001"), (-120, 1, "-12"), (0, 16, "0"), (-5, 3, "-0.005")],
)
def test_figures_have_no_exponent(count: int, digits: int, text: str) -> None:
    assert figure(scaled(count, digits)) == text
