"""Liquidations of the simulated Deribit: flags on trades, and their records."""

from typing import Any

import msgspec
import pytest

from mprism.simulator.deribit.catalog import select
from mprism.simulator.deribit.deals import Deals, StreamedFlags
from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueRecord, ValueTape
from tests.unit.deribit_scene import START_MS, Scene, data_of, open_market, payload, sent

ALL = {"start_timestamp": START_MS, "end_timestamp": START_MS + 10**6, "count": 1_000}
OPPOSITE = {"buy": "sell", "sell": "buy"}


def traded(name: str, streamed: StreamedFlags = "some") -> tuple[Scene, list[Any]]:
    """A market after ten seconds, with the trades that were streamed."""
    scene = Scene(open_market((name,), streamed=streamed, rate=60))
    arrays = data_of(sent(scene.market, 10), f"trades.{name}.100ms")
    return scene, [trade for array in arrays for trade in array]


def by_rest(scene: Scene, name: str) -> list[Any]:
    answer = scene.result(
        "get_last_trades_by_instrument_and_time", instrument_name=name, sorting="asc", **ALL
    )
    trades: list[Any] = answer["trades"]
    return trades


def records(scene: Scene, *outcomes: Outcome) -> list[ValueRecord]:
    (tape,) = [t for t in scene.market.truth().values() if t.data_type == "liquidation"]
    return list(tape.records(*outcomes))


def liquidated(trade: Any) -> list[str]:
    """The sides that somebody was liquidated by, the taker's first."""
    sides = {"T": trade["direction"], "M": OPPOSITE[trade["direction"]]}
    return [sides[who] for who in "TM" if who in trade.get("liquidation", "")]


@pytest.mark.parametrize("name", ["BTC-PERPETUAL", "SOL_USDC-PERPETUAL"])
def test_each_flag_is_recorded_with_its_sides(name: str) -> None:
    scene, _ = traded(name)
    (contract,) = select((name,))
    trades = by_rest(scene, name)
    told = [(trade, side) for trade in trades for side in liquidated(trade)]
    true = records(scene)
    assert len(true) >= 8
    assert {trade.get("liquidation") for trade in trades} == {None, "T", "M", "MT"}
    for (trade, side), record in zip(told, true, strict=True):
        fields = record.fields
        assert (fields["side"], record.time_ms) == (side, trade["timestamp"])
        assert fields["position_side"] == {"sell": "long", "buy": "short"}[side]
        assert float(str(fields["average_price"])) == trade["price"]
        quantity = trade["amount"] if contract.linear else trade["contracts"]
        assert float(str(fields["quantity"])) == quantity
        assert fields["filled_quantity"] == fields["quantity"]


@pytest.mark.parametrize(("streamed", "share"), [("none", "no"), ("some", "part"), ("all", "all")])
def test_the_stream_tells_of_as_many_as_it_is_set_to(streamed: StreamedFlags, share: str) -> None:
    scene, on_stream = traded("BTC-PERPETUAL", streamed)
    by_seq = {trade["trade_seq"]: trade for trade in by_rest(scene, "BTC-PERPETUAL")}
    flagged = [trade for trade in by_seq.values() if "liquidation" in trade]
    told = [trade for trade in on_stream if "liquidation" in trade]
    for trade in on_stream:
        bare = {**by_seq[trade["trade_seq"]]}
        assert trade.get("liquidation") in (None, bare.pop("liquidation", None))
        assert {k: v for k, v in trade.items() if k != "liquidation"} == bare
    expected = {"no": len(told) == 0, "part": 0 < len(told) < len(flagged), "all": True}
    assert expected[share]
    if share == "all":
        assert [t for t in flagged if t["trade_seq"] <= on_stream[-1]["trade_seq"]] == told


def test_what_rest_gave_is_expected_and_nothing_else() -> None:
    scene, on_stream = traded("BTC-PERPETUAL", "none")
    assert {record.outcome for record in records(scene)} == {Outcome.UNSUBSCRIBED}
    middle = on_stream[len(on_stream) // 2]["trade_seq"]
    answer = scene.result(
        "get_last_trades_by_instrument",
        instrument_name="BTC-PERPETUAL",
        end_seq=middle,
        count=1_000,
        sorting="asc",
    )
    given = [side for trade in answer["trades"] for side in liquidated(trade)]
    expected = records(scene, Outcome.CONFIRMED)
    assert [record.fields["side"] for record in expected] == given
    assert 0 < len(expected) < len(records(scene))


def test_a_streamed_array_carries_the_records_of_its_flags() -> None:
    scene = Scene(open_market(("BTC-PERPETUAL",), rate=60))
    publications = [
        publication
        for _ in range(10)
        for publication in scene.market.advance(scene.market.now_us + 1_000_000)
        if publication.stream.startswith("trades.")
    ]
    deals: Deals = scene.market.feeds["BTC-PERPETUAL"].deals
    flagged = 0
    for publication in publications:
        array = data_of([msgspec.json.decode(payload(publication))["params"]], publication.stream)[
            0
        ]
        sides = [side for trade in array for side in liquidated(trade)]
        told = [(t, i) for t, i in publication.records if isinstance(t, ValueTape)]
        assert [deals.liquidations[i].fields["side"] for _, i in told] == sides
        trades = [t[i].trade_id for t, i in publication.records if not isinstance(t, ValueTape)]
        assert trades == [trade["trade_seq"] for trade in array]
        flagged += len(sides)
    assert 0 < flagged < len(deals.liquidations)
