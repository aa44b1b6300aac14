"""What the benchmark says of single messages is what was measured."""

from typing import Any, Literal

import pytest

from benchmarks.costs import Cost, Costs
from benchmarks.report import lines
from benchmarks.run import Report
from mprism.schema import OrderBook
from tests.unit.events import PLACE, funding_rate, open_interest


def book(update_type: Literal["snapshot", "update"]) -> OrderBook:
    best: dict[str, Any] = dict.fromkeys(
        ("best_bid_price", "best_bid_quantity", "best_ask_price", "best_ask_quantity")
    )
    return OrderBook(
        **PLACE,
        **best,
        bids=[],
        asks=[],
        depth_levels=0,
        update_type=update_type,
        last_update_id=2,
        prev_update_id=None,
        quantity_unit="base",
        contract_size=None,
    )


def test_messages_are_told_apart_by_what_carries_them_and_what_comes_of_them() -> None:
    costs = Costs("okx_derivatives")
    costs.note("answer", 9, [open_interest()], 1.0)
    costs.note("answer", 9, [], 1.0, of="depth")
    costs.note("frame", 9, [open_interest()], 1.0)
    costs.note("frame", 9, [funding_rate(), open_interest(), funding_rate()], 1.0)
    costs.note("frame", 9, [book("update"), book("snapshot")], 1.0)
    costs.note("frame", 9, [book("update")], 1.0)
    costs.note("frame", 9, [], 1.0)
    assert [(cost.carrier, cost.kind) for cost in costs.summary()] == [
        ("frame", "funding_rate, open_interest"),
        ("frame", "no event"),
        ("frame", "open_interest"),
        ("frame", "orderbook update"),
        ("frame", "orderbook update, orderbook snapshot"),
        ("answer", "no event, of depth"),
        ("answer", "open_interest"),
    ]
    assert costs.data_types == {"funding_rate", "open_interest", "orderbook"}


def test_a_cost_is_the_median_of_its_messages() -> None:
    costs = Costs("okx_derivatives")
    for characters, events, seconds in ((100, 1, 1e-6), (200, 2, 6e-6), (600, 4, 100e-6)):
        costs.note("frame", characters, [open_interest()] * events, seconds)
    (cost,) = costs.summary()
    assert cost.messages == 3
    assert cost.characters == 300
    assert cost.us == pytest.approx(6)
    assert cost.us_per_event == pytest.approx(3)


def test_messages_without_events_have_no_cost_of_an_event() -> None:
    costs = Costs("okx_derivatives")
    costs.note("frame", 4, [], 3e-6)
    (cost,) = costs.summary()
    assert cost.us == pytest.approx(3)
    assert cost.us_per_event is None


def test_the_report_has_a_table_for_each_exchange() -> None:
    costs = [
        Cost("okx_spot", "frame", "trade", 1_234, 210.4, 7.04, 3.52),
        Cost("okx_spot", "frame", "no event", 4, 98.5, 9.41, None),
        Cost("okx_derivatives", "answer", "open_interest", 20, 88.0, 12.3, 12.3),
    ]
    told = [line.split() for line in lines(Report("", 1.0, True, costs=costs))]
    assert [words for words in told if words][:5] == [
        ["messages", "characters", "us", "each", "us", "an", "event", "okx_spot"],
        ["1,234", "210", "7.0", "3.5", "frame:", "trade"],
        ["4", "98", "9.4", "frame:", "no", "event"],
        ["messages", "characters", "us", "each", "us", "an", "event", "okx_derivatives"],
        ["20", "88", "12.3", "12.3", "answer:", "open_interest"],
    ]


def test_an_exchange_that_was_misread_fails_the_run() -> None:
    report = Report("", 1.0, True, misread=["okx_spot: public-1: something"])
    assert report.losses == ["normalise: okx_spot: public-1: something"]
    assert "FAIL: normalise: okx_spot: public-1: something" in lines(report)
