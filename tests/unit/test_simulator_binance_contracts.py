"""Mark prices, funding and open interest of simulated USD-M: shapes, agreement, the truth."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueRecord
from tests.unit.simulator_api import START_MS, Api, error, weight

HOUR = 3_600_000
SYMBOLS = ("BTCUSDT", "SUSHIUSDT", "BTCUSDT_261225", "TSLAUSDT")


def contracts(**options: Any) -> Api:
    return Api("usdm", **{"symbols": SYMBOLS, "levels": 60, "rate": 50, **options})


def events(messages: list[tuple[str, Any]], stream: str) -> list[Any]:
    return [message for name, message in messages if name == stream]


def records(api: Api, data_type: str, symbol: str = "BTCUSDT") -> list[ValueRecord]:
    tapes = [t for t in api.truth.values() if (t.data_type, t.symbol) == (data_type, symbol)]
    return [record for tape in tapes for record in tape.records()]


def test_a_mark_price_has_every_field() -> None:
    event = events(contracts().advance(1), "btcusdt@markPrice@1s")[0]
    assert event.keys() == {"e", "E", "s", "p", "ap", "i", "P", "r", "T", "st", "zz"}
    assert (event["e"], event["s"], event["st"]) == ("markPriceUpdate", "BTCUSDT", 1)
    for name in ("p", "ap", "i", "P", "r"):
        assert len(event[name].partition(".")[2]) == 8
    assert isinstance(event["E"], int)
    assert isinstance(event["T"], int)


def test_mark_prices_come_every_second_and_every_third() -> None:
    messages = contracts().advance(30)
    fast = events(messages, "btcusdt@markPrice@1s")
    slow = events(messages, "btcusdt@markPrice")
    assert [event["E"] for event in fast] == [START_MS + 1_000 * n for n in range(1, 31)]
    assert slow == [event for event in fast if event["E"] % 3_000 == 0]
    assert len(slow) == 10


def test_mark_and_index_prices_follow_the_book_and_change() -> None:
    api = contracts()
    for event in events(api.advance(10), "btcusdt@markPrice@1s"):
        assert float(event["p"]) == pytest.approx(float(event["i"]), rel=6e-4)
        assert float(event["ap"]) == pytest.approx(float(event["i"]), rel=2e-3)
        assert float(event["P"]) == pytest.approx(float(event["i"]), rel=2e-4)
    book = api.market.feeds["BTCUSDT"].market.book
    bids, asks = book.top(1)
    middle = (float(bids[0][0]) + float(asks[0][0])) / 2
    assert float(event["i"]) == pytest.approx(middle, rel=1.1e-4)
    prices = {e["p"] for e in events(api.advance(10), "btcusdt@markPrice@1s")}
    assert len(prices) == 10


def test_the_rate_changes_every_few_seconds_and_is_negative_at_times() -> None:
    rates = [event["r"] for event in events(contracts().advance(120), "btcusdt@markPrice@1s")]
    changes = sum(a != b for a, b in pairwise(rates))
    assert 25 <= changes <= 35
    assert any(rate.startswith("-0.000") for rate in rates)
    assert all(abs(Decimal(rate)) < Decimal("0.0006") for rate in rates)


@pytest.mark.parametrize(("symbol", "hours"), [("BTCUSDT", 8), ("SUSHIUSDT", 4), ("TSLAUSDT", 8)])
def test_funding_is_due_at_the_next_multiple_of_the_interval(symbol: str, hours: int) -> None:
    due = START_MS - START_MS % (8 * HOUR) + 8 * HOUR
    api = contracts(start_ms=due - 2_500)
    stream = f"{symbol.lower()}@markPrice@1s"
    told = {event["E"]: event["T"] for event in events(api.advance(5), stream)}
    later = due + hours * HOUR
    assert told == {
        due - 2_000: due,
        due - 1_000: due,
        due: later,
        due + 1_000: later,
        due + 2_000: later,
    }


def test_a_delivery_contract_has_no_funding() -> None:
    api = contracts()
    event = events(api.advance(1), "btcusdt_261225@markPrice@1s")[0]
    assert (event["r"], event["T"]) == ("", 0)
    assert Decimal(event["p"]) > 0
    told = api.json("premiumIndex?symbol=BTCUSDT_261225")
    assert (told["lastFundingRate"], told["interestRate"], told["nextFundingTime"]) == ("", "", 0)
    assert records(api, "funding_rate", "BTCUSDT_261225") == []
    assert {t.data_type for t in api.truth.values() if t.symbol == "BTCUSDT_261225"} == {
        "open_interest",
        "liquidation",
        "lsr_top_position",
        "lsr_all_account",
    }


def test_the_premium_index_is_what_the_stream_said_last() -> None:
    api = contracts()
    for _ in range(5):
        event = events(api.advance(1.7), "btcusdt@markPrice@1s")[-1]
        assert api.json("premiumIndex?symbol=BTCUSDT") == {
            "symbol": "BTCUSDT",
            "markPrice": event["p"],
            "indexPrice": event["i"],
            "estimatedSettlePrice": event["P"],
            "lastFundingRate": event["r"],
            "interestRate": "0.00010000",
            "nextFundingTime": event["T"],
            "time": event["E"],
        }


def test_the_premium_index_is_known_before_anything_happens() -> None:
    api = contracts(rate=0, start_ms=START_MS + 700)
    assert api.json("premiumIndex?symbol=BTCUSDT")["time"] == START_MS


def test_the_premium_index_of_all_symbols_is_an_array_and_costs_more() -> None:
    api = contracts()
    found = api.json("premiumIndex")
    assert [entry["symbol"] for entry in found] == list(SYMBOLS)
    assert found[0] == api.json("premiumIndex?symbol=BTCUSDT")
    assert weight(api.get("time")) == 10 + 1 + 1


def test_the_truth_of_funding_is_what_each_event_says() -> None:
    api = contracts()
    for symbol, hours in (("BTCUSDT", 8), ("SUSHIUSDT", 4)):
        found = events(api.advance(6), f"{symbol.lower()}@markPrice@1s")
        told = records(api, "funding_rate", symbol)[-len(found) :]
        assert len(found) == 6
        for event, record in zip(found, told, strict=True):
            assert record.time_ms == event["E"]
            assert record.outcome is Outcome.UNSUBSCRIBED
            assert record.fields == {
                "current_funding_rate": event["r"],
                "estimated_funding_rate": None,
                "funding_time": event["T"] - hours * HOUR,
                "next_funding_time": event["T"],
                "funding_interval_hours": hours,
                "mark_price": event["p"],
                "index_price": event["i"],
                "premium_index": str(Decimal(event["p"]) - Decimal(event["i"])),
            }


def test_funding_info_lists_only_what_was_adjusted() -> None:
    api = contracts()
    found = api.json("fundingInfo")
    hours = {entry["symbol"]: entry["fundingIntervalHours"] for entry in found}
    assert hours == {"SUSHIUSDT": 4, "CTKUSDT": 8, "KEEPUSDT": 1}
    assert found[0].keys() >= {
        "adjustedFundingRateCap",
        "adjustedFundingRateFloor",
        "disclaimer",
    }


def test_funding_info_costs_no_weight_but_has_a_limit_of_its_own() -> None:
    api = contracts(funding_limit=2)
    answers = [api.get("fundingInfo") for _ in range(3)]
    assert [(answer.status, weight(answer)) for answer in answers] == [(200, 0), (200, 0), (429, 0)]
    statistics = api.ask("/futures/data/openInterestHist?symbol=BTCUSDT&period=5m")
    assert (statistics.status, api.get("time").status) == (200, 200)


def test_open_interest_has_every_field_and_changes() -> None:
    api = contracts()
    answers = []
    for _ in range(10):
        api.advance(1)
        answers.append(api.json("openInterest?symbol=BTCUSDT"))
    assert answers[0].keys() == {"symbol", "openInterest", "time", "zz"}
    assert [answer["time"] for answer in answers] == [START_MS + 1_000 * n for n in range(1, 11)]
    assert len({answer["openInterest"] for answer in answers}) > 5
    assert all(len(answer["openInterest"].partition(".")[2]) == 3 for answer in answers)
    assert weight(api.get("time")) == 11


def test_the_truth_of_open_interest_is_what_was_told_once() -> None:
    api = contracts()
    told = {}
    for _ in range(12):
        answer = api.json("openInterest?symbol=SUSHIUSDT")
        told[answer["time"]] = answer["openInterest"]
        api.advance(0.25)
    found = records(api, "open_interest", "SUSHIUSDT")
    assert {r.time_ms: r.fields for r in found} == {
        time: {"open_interest": held} for time, held in told.items()
    }
    assert len(found) == len(told) == 3
    assert {r.outcome for r in found} == {Outcome.CONFIRMED}
    assert records(api, "open_interest") == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("openInterest", -1102),
        ("openInterest?symbol=NOSUCH", -1121),
        ("openInterest?symbol=KEEPUSDT", -4108),
        ("premiumIndex?symbol=NOSUCH", -1121),
        ("premiumIndex?symbol=BTCUSDT_260925", -4108),
        ("premiumIndex?symbol=btcusdt", -1100),
    ],
)
def test_bad_symbols(path: str, code: int) -> None:
    assert error(contracts().get(path)) == (400, code)


def test_spot_has_no_contracts() -> None:
    api = Api("spot", levels=30)
    for path in ("openInterest?symbol=BTCUSDT", "premiumIndex", "fundingInfo"):
        assert error(api.get(path)) == (404, -5000)
    assert list(api.truth.values()) == []
    assert {name.partition("@")[2] for name, _ in api.advance(3)} == {
        "trade",
        "aggTrade",
        "depth",
        "depth@100ms",
    }


def test_the_exchange_tells_the_limit_that_is_in_force_and_odd_instruments() -> None:
    info = contracts(weight_limit=77).json("exchangeInfo")
    assert [
        limit["limit"] for limit in info["rateLimits"] if limit["rateLimitType"] == "REQUEST_WEIGHT"
    ] == [77]
    symbols = {symbol["symbol"]: symbol for symbol in info["symbols"]}
    delivered = symbols["BTCUSDT_260925"]
    assert (delivered["contractType"], delivered["status"]) == ("", "SETTLING")
    assert symbols["ETHUSDC"]["quoteAsset"] == "USDC"
    spot = {symbol["symbol"]: symbol for symbol in Api("spot").json("exchangeInfo")["symbols"]}
    assert (spot["BTCFDUSD"]["baseAsset"], spot["BTCFDUSD"]["quoteAsset"]) == ("BTC", "FDUSD")
    assert spot["ETHUSDC"]["baseAsset"] == "ETH"
