"""The REST answers of the simulated OKX: rows, errors and limits."""

from dataclasses import replace

import msgspec
import pytest

from mprism.simulator.faults import Ban, ServerError, SlowAnswer, StaleSnapshot, Throttle
from mprism.simulator.okx.server import RULES
from mprism.simulator.tape import Outcome
from tests.unit.okx_api import START_US, SWAP, Api

RATIO = "rubik/stat/contracts/long-short-"
POSITIONS, ACCOUNTS = (
    f"{RATIO}position-ratio-contract-top-trader",
    f"{RATIO}account-ratio-contract",
)


def test_instrument_lists_have_every_kind_of_entry() -> None:
    api, spot = Api(), Api("spot")
    swaps = {row["instId"]: row for row in api.data("public/instruments?instType=SWAP")}
    futures = {row["instId"]: row for row in api.data("public/instruments?instType=FUTURES")}
    spots = {row["instId"]: row for row in spot.data("public/instruments?instType=SPOT")}
    assert api.data("public/instruments?instType=OPTION") == []
    assert {row["instType"] for row in swaps.values()} == {"SWAP"}
    assert (swaps[SWAP]["ctVal"], swaps[SWAP]["ctMult"]) == ("0.01", "1")
    assert (swaps[SWAP]["ctType"], swaps[SWAP]["ctValCcy"]) == ("linear", "BTC")
    assert (swaps[SWAP]["settleCcy"], swaps[SWAP]["lotSz"]) == ("USDT", "0.01")
    inverse = swaps["BTC-USD-SWAP"]
    assert (inverse["ctType"], inverse["ctVal"], inverse["ctValCcy"]) == ("inverse", "100", "USD")
    dated = futures["BTC-USD-261225"]
    assert (dated["ruleType"], dated["expTime"]) == ("normal", "1798185600000")
    x_perp = futures["BTC-USD_UM_XPERP-310404"]
    assert x_perp["ruleType"] == "xperp"
    assert (x_perp["uly"], x_perp["instFamily"]) == ("BTC-USD", "BTC-USD_UM_XPERP")
    assert (dated["uly"], dated["instFamily"]) == ("BTC-USD", "BTC-USD")
    assert (spots["BTC-USDT"]["baseCcy"], spots["BTC-USDT"]["quoteCcy"]) == ("BTC", "USDT")
    assert (spots["BTC-USDT"]["ctVal"], spots["BTC-USDT"]["tickSz"]) == ("", "0.1")
    blank = spots["NEWCOIN-USDT"]
    assert (blank["state"], blank["baseCcy"], blank["tickSz"]) == ("preopen", "", "")
    states = {row["state"] for row in [*swaps.values(), *futures.values(), *spots.values()]}
    assert states >= {"live", "suspend", "preopen", "test", "expired", "rebase", "call_auction"}
    assert {type(row["instIdCode"]) for row in spots.values()} == {int, type(None)}
    (one,) = api.data("public/instruments?instType=SWAP&instId=BTC-USDT-SWAP")
    assert one == swaps[SWAP]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("public/instruments", "50014"),
        ("public/instruments?instType=CANDY", "51000"),
        ("market/books", "50014"),
        ("market/books?instId=NO-SUCH", "51001"),
        ("market/books?instId=BTC-USDT-SWAP&sz=many", "51000"),
        ("market/history-trades?instId=LUNA-USDT-SWAP", "51001"),
        ("public/open-interest", "50014"),
        ("public/open-interest?instType=SWAP&instId=NO-SUCH", "51001"),
        (f"{POSITIONS}?instId=NO-SUCH", "51001"),
        (f"{ACCOUNTS}?instId=BTC-USDT-SWAP&period=7m", "51000"),
    ],
)
def test_errors_are_in_the_code_and_not_in_the_status(path: str, code: str) -> None:
    answer = Api().answer(path)
    assert (answer["code"], answer["data"]) == (code, [])
    assert answer["msg"]


def test_unknown_paths_and_methods() -> None:
    api = Api()
    assert api.get("public/nothing").status == 404
    assert api.get("public/time", "POST").status == 404
    (row,) = api.data("public/time")
    assert row == {"ts": str(START_US // 1_000)}


def test_books_are_the_true_ones_at_the_moment() -> None:
    api = Api()
    truth = api.market.truth()
    api.advance(2.35)
    (row,) = api.data(f"market/books?instId={SWAP}&sz=400")
    assert row["seqId"] == api.market.feeds[SWAP].market.book.update_id
    bids, asks = truth.book_at(SWAP, row["seqId"]).top()
    assert [tuple(level[:2]) for level in row["bids"]] == bids
    assert [tuple(level[:2]) for level in row["asks"]] == asks
    assert all(level[2] == "0" and int(level[3]) > 0 for level in row["bids"])
    (small,) = api.data(f"market/books?instId={SWAP}")
    assert (len(small["bids"]), len(small["asks"])) == (1, 1)
    (empty,) = api.data("market/books?instId=LUNA-USDT-SWAP&sz=5")
    assert (empty["bids"], empty["asks"]) == ([], [])


def test_stale_books_are_older_than_what_the_channel_says_next() -> None:
    api = Api()
    api.advance(5.5)
    api.rest.inject(StaleSnapshot())
    (stale,) = api.data(f"market/books?instId={SWAP}&sz=400")
    (fresh,) = api.data(f"market/books?instId={SWAP}&sz=400")
    assert stale["seqId"] < api.market.feeds[SWAP].books.shown.update_id <= fresh["seqId"]
    assert api.counts["stale_snapshots"] == 1


def test_history_goes_back_by_ids_and_by_times() -> None:
    api = Api()
    tape = api.market.truth().tape(SWAP)
    api.advance(4)
    ids = [tape.first_id + index for index in range(len(tape))]
    assert len(ids) > 150
    newest = api.data(f"market/history-trades?instId={SWAP}")
    assert [int(row["tradeId"]) for row in newest] == ids[:-101:-1]
    page = api.data(f"market/history-trades?instId={SWAP}&after={ids[60]}&before={ids[50]}")
    assert [int(row["tradeId"]) for row in page] == ids[59:50:-1]
    for row in page:
        record = tape[int(row["tradeId"]) - tape.first_id]
        assert (row["px"], row["sz"]) == (record.price, record.quantity)
        assert row["side"] == ("sell" if record.buyer_is_maker else "buy")
    middle = newest[40]["ts"]
    older = api.data(f"market/history-trades?instId={SWAP}&type=2&after={middle}&limit=3")
    assert len(older) == 3
    assert all(int(row["ts"]) < int(middle) for row in older)
    few = api.data(f"market/trades?instId={SWAP}&limit=7")
    assert [int(row["tradeId"]) for row in few] == ids[:-8:-1]
    # A reader may store what it asked for, or not.
    outcomes = {record.outcome for record in tape.records()}
    assert outcomes == {Outcome.SENT, Outcome.UNSUBSCRIBED}
    assert tape[55].outcome is Outcome.SENT


def test_endpoints_are_limited_by_instrument_and_for_two_seconds() -> None:
    api = Api()
    path = f"{POSITIONS}?instId={SWAP}"
    assert [api.get(path).status for _ in range(6)] == [200] * 5 + [429]
    refused = msgspec.json.decode(api.get(path).body)
    assert (refused["code"], refused["data"]) == ("50011", [])
    assert api.get(f"{POSITIONS}?instId=ETH-USDT-SWAP").status == 200
    assert api.get(f"{ACCOUNTS}?instId={SWAP}").status == 200
    api.now += 2.0
    assert api.get(path).status == 200
    assert (api.counts["requests_429"], api.counts["requests"]) == (2, 10)


def test_limits_can_be_set_lower() -> None:
    api = Api(rules=replace(RULES, weight_limit=1))
    assert [api.get("public/time").status for _ in range(2)] == [200, 429]
    assert api.get(f"market/books?instId={SWAP}").status == 200


@pytest.mark.parametrize("fault", [Throttle(3), Ban(3)])
def test_a_throttle_refuses_everything_until_it_ends(fault: Throttle | Ban) -> None:
    api = Api()
    api.rest.inject(fault)
    assert api.get("public/time").status == 429
    api.now = 2.9
    assert api.get(f"market/books?instId={SWAP}").status == 429
    api.now = 3.0
    assert api.get("public/time").status == 200


def test_errors_and_slow_answers_on_demand() -> None:
    api = Api()
    api.rest.inject(ServerError(503, 2))
    api.rest.inject(SlowAnswer(1.5))
    responses = [api.get("public/time") for _ in range(4)]
    assert [response.status for response in responses] == [503, 503, 200, 200]
    assert [response.delay for response in responses] == [0.0, 0.0, 1.5, 0.0]
    assert msgspec.json.decode(responses[0].body)["code"] == "50001"
