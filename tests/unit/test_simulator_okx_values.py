"""Funding, open interest and ratios of the simulated OKX, and what the truth makes of them."""

from decimal import Decimal
from itertools import pairwise

import pytest

from mprism.simulator.okx.catalog import DEFAULT_SYMBOLS
from mprism.simulator.tape import Outcome
from tests.unit.okx_api import SECOND, START_US, SWAP, Api, open_market

RATIO = "rubik/stat/contracts/long-short-"
POSITIONS, ACCOUNTS = (
    f"{RATIO}position-ratio-contract-top-trader",
    f"{RATIO}account-ratio-contract",
)


def test_funding_rates_of_perpetual_contracts_and_x_perps() -> None:
    api = Api()
    api.advance(1)
    every = {row["instId"]: row for row in api.data("public/funding-rate?instId=ANY")}
    perpetuals = {SWAP, "ETH-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD_UM_XPERP-310404"}
    assert every.keys() == perpetuals
    assert every["BTC-USD_UM_XPERP-310404"]["instType"] == "FUTURES"
    (one,) = api.data(f"public/funding-rate?instId={SWAP}")
    assert one == every[SWAP]
    assert api.data("public/funding-rate?instId=BTC-USD-261225") == []
    for row in every.values():
        assert abs(Decimal(row["fundingRate"])) <= Decimal(row["maxFundingRate"])
        assert "E" not in row["fundingRate"].upper()
        assert row["impactValue"] == ""
        assert (row["nextFundingRate"] == "") is ("-USD-" not in row["instId"])
        interval = int(row["nextFundingTime"]) - int(row["fundingTime"])
        assert interval == (4 if "XPERP" in row["instId"] else 8) * 3_600_000
        assert 0 < int(row["fundingTime"]) - int(row["ts"]) <= interval
        assert int(row["fundingTime"]) % interval == 0


def test_funding_is_settled_when_its_time_has_come() -> None:
    market = open_market()
    rate = market.funding[SWAP]
    before = rate.row
    settles_us = int(before["fundingTime"]) * 1_000
    list(rate.due(settles_us - 1_000))
    last = rate.row["fundingRate"]
    list(rate.due(settles_us + 7 * SECOND))
    assert rate.row["fundingTime"] == before["nextFundingTime"]
    assert rate.row["settFundingRate"] == last
    assert before["settFundingRate"] != last
    record = rate.tape[len(rate.tape) - 1]
    assert record.fields["next_funding_time"] == int(before["nextFundingTime"])
    assert record.fields["funding_time"] == int(before["fundingTime"])
    assert record.fields["funding_interval_hours"] == 8


def test_funding_has_an_estimate_where_one_is_told() -> None:
    funding = open_market().funding
    for symbol, rate in funding.items():
        estimate = rate.tape[0].fields["estimated_funding_rate"]
        assert (estimate or "") == rate.row["nextFundingRate"]
        assert (estimate is not None) is (symbol == "BTC-USD-SWAP")
        assert rate.tape[0].fields["current_funding_rate"] == rate.row["fundingRate"]


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS["derivatives"])
def test_open_interest_in_each_unit(symbol: str) -> None:
    api = Api()
    api.advance(7)
    listing = api.market.feeds[symbol].listing
    rows = api.data(f"public/open-interest?instType={listing.inst_type}&instId={symbol}")
    (row,) = rows
    tape = api.market.interest[symbol].tape
    fields = tape[len(tape) - 1].fields
    contracts, value = Decimal(row["oi"]), Decimal(listing.contract_value)
    assert fields["open_interest_contracts"] == row["oi"]
    if listing.contract_type == "linear":
        assert Decimal(row["oiCcy"]) == contracts * value
        assert fields["open_interest"] == row["oiCcy"]
    else:
        assert Decimal(row["oiUsd"]) == contracts * value
        assert fields["open_interest"] == row["oi"]
    price = Decimal(row["oiUsd"]) / Decimal(row["oiCcy"])
    assert float(price) == pytest.approx(float(api.data(_top(symbol))[0]["asks"][0][0]), rel=0.01)
    assert len(row["oi"].partition(".")[2]) > 8
    assert fields["open_interest_usd"] == row["oiUsd"]
    in_dollars = "-USDT-" not in symbol
    assert fields.get("open_interest_value") == (row["oiUsd"] if in_dollars else None)
    everything = api.data(f"public/open-interest?instType={listing.inst_type}")
    assert row in everything
    assert {other["instType"] for other in everything} == {listing.inst_type}
    assert tape[len(tape) - 1].outcome is Outcome.SENT


def _top(symbol: str) -> str:
    return f"market/books?instId={symbol}"


@pytest.mark.parametrize(
    ("path", "data_type"), [(POSITIONS, "lsr_top_position"), (ACCOUNTS, "lsr_all_account")]
)
def test_ratios_are_rows_of_strings_with_the_newest_first(path: str, data_type: str) -> None:
    api = Api()
    (tape,) = (
        tape
        for tape in api.market.truth().values()
        if (tape.data_type, tape.symbol) == (data_type, SWAP)
    )
    first = api.data(f"{path}?instId={SWAP}&period=5m&limit=3")
    api.advance(21)
    rows = api.data(f"{path}?instId={SWAP}&limit=5")
    times = [int(row[0]) for row in rows]
    assert all(a == b + 5_000 for a, b in pairwise(times))
    assert times[0] == (START_US // 1_000 // 5_000) * 5_000 + 20_000
    assert rows[-1] == first[0]
    given = list(tape.records(Outcome.CONFIRMED))
    assert len(given) == 7
    assert [[str(r.time_ms), r.fields["long_short_ratio"]] for r in given] == [
        *first[:0:-1],
        *rows[::-1],
    ]
    begin, end = times[3], times[1]
    page = api.data(f"{path}?instId={SWAP}&begin={begin}&end={end}")
    assert page == rows[1:4]
    every = api.data(f"{path}?instId={SWAP}")
    assert any(float(row[1]) < 1 for row in every)


def test_a_row_is_late() -> None:
    market = open_market()
    ratios = market.ratios[SWAP]
    count = len(ratios.positions.tape)
    boundary = START_US // (5 * SECOND) * 5 * SECOND + 5 * SECOND
    list(ratios.due(boundary))
    assert len(ratios.positions.tape) == count
    list(ratios.due(boundary + SECOND // 10))
    assert len(ratios.positions.tape) == count + 1
