"""Open interest of USD-M: asked for by REST, with its value by the mark price."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mprism.feeds.binance.open_interest import OpenInterestPoll
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import OpenInterest
from mprism.state import StreamState
from tests.unit.binance_contracts import (
    BTC_DATED,
    PUSHED,
    answered,
    encoded,
    open_interest,
    premium_index,
)
from tests.unit.binance_payloads import BTC_USDM, ETH_USDM, RECV_NS, told

MARK = "premiumIndex BTCUSDT"


class Round:
    """A poll of some contracts whose round has begun."""

    def __init__(self, *instruments: Instrument, continuity: Continuity | None = None) -> None:
        instruments = instruments or (BTC_USDM,)
        self.continuity = continuity or Continuity()
        self.states = {each.instrument_id: StreamState() for each in instruments}
        self.poll = OpenInterestPoll(instruments, self.continuity, self.states)
        self.wanted = list(self.poll.begin(RECV_NS))

    def answer(self, key: str, body: object) -> list[Action]:
        return answered(self.poll, key, body)


def published(actions: list[Action]) -> OpenInterest:
    (message,) = actions
    assert isinstance(message, OpenInterest)
    return message


def test_an_open_interest_has_its_value_by_the_mark_price() -> None:
    poll = Round()
    assert poll.answer(MARK, premium_index(new=[1])) == []
    assert published(poll.answer("BTCUSDT", open_interest(new={}))) == OpenInterest(
        exchange="binance_derivatives",
        market_type="perpetual",
        symbol="BTC-USDT",
        instrument_id="BTCUSDT",
        timestamp="2026-02-02T02:40:00.250Z",
        ts_event=PUSHED * 1_000_000,
        ts_recv=RECV_NS,
        open_interest="10659.509",
        # USD-M has no contracts of a size, and USDT is no dollar.
        open_interest_contracts=None,
        open_interest_value="692999196.96070000000",
        open_interest_usd=None,
        quantity_unit="base",
        contract_size=None,
        mark_price="65012.30000000",
    )


def test_few_mark_prices_are_asked_for_one_by_one() -> None:
    btc, eth = {"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}
    assert Round(BTC_USDM, ETH_USDM).wanted == [
        Fetch("premiumIndex BTCUSDT", Request("/fapi/v1/premiumIndex", btc)),
        Fetch("BTCUSDT", Request("/fapi/v1/openInterest", btc)),
        Fetch("premiumIndex ETHUSDT", Request("/fapi/v1/premiumIndex", eth)),
        Fetch("ETHUSDT", Request("/fapi/v1/openInterest", eth)),
    ]


@pytest.mark.parametrize(("count", "requests", "weight"), [(10, 20, 20), (11, 12, 21)])
def test_many_mark_prices_are_asked_for_at_once(count: int, requests: int, weight: int) -> None:
    contracts = [replace(BTC_USDM, instrument_id=f"A{n}USDT") for n in range(count)]
    wanted = Round(*contracts).wanted
    assert len(wanted) == requests
    assert sum(each.request.weight for each in wanted) == weight
    assert {each.request.pool for each in wanted} == {"weight"}


def test_mark_prices_of_all_symbols_serve_all() -> None:
    others = [replace(BTC_USDM, instrument_id=f"A{n}USDT") for n in range(9)]
    poll = Round(BTC_USDM, ETH_USDM, *others)
    assert poll.wanted[0] == Fetch("premiumIndex", Request("/fapi/v1/premiumIndex", weight=10))
    marks = [premium_index("DOGEUSDT"), premium_index("ETHUSDT", markPrice="3000"), 7]
    assert told(poll.answer("premiumIndex", [*marks, premium_index()])) == ["malformed value"]
    assert published(poll.answer("BTCUSDT", open_interest())).mark_price == "65012.30000000"
    message = published(poll.answer("ETHUSDT", open_interest("ETHUSDT", openInterest="2.5")))
    assert (message.mark_price, message.open_interest_value) == ("3000", "7500.0")
    assert published(poll.answer("A0USDT", open_interest("A0USDT"))).mark_price is None


@pytest.mark.parametrize("body", [premium_index(), [premium_index()]])
def test_one_mark_price_comes_as_an_object_or_as_an_array(body: object) -> None:
    poll = Round()
    assert poll.answer(MARK, body) == []
    assert published(poll.answer("BTCUSDT", open_interest())).mark_price == "65012.30000000"


def test_blanks_before_an_array_are_nothing() -> None:
    poll = Round()
    body = b" \n" + encoded([premium_index()])
    assert list(poll.poll.fetched(MARK, body, RECV_NS)) == []
    assert published(poll.answer("BTCUSDT", open_interest())).mark_price is not None


@pytest.mark.parametrize(
    ("body", "rejected"),
    [
        (premium_index(markPrice=""), 0),
        (premium_index(markPrice="0.00000000"), 0),
        (premium_index("ETHUSDT"), 0),
        ([], 0),
        (premium_index(markPrice="x"), 1),
        (premium_index(markPrice="-1"), 1),
        (premium_index(markPrice=None), 1),
        (premium_index(markPrice=1.5), 1),
        ({"code": -1121, "msg": "Invalid symbol."}, 1),
        ([premium_index() | {"symbol": 7}], 1),
        ("x", 1),
        (None, 1),
    ],
)
def test_without_a_mark_price_there_is_no_value(body: object, rejected: int) -> None:
    poll = Round()
    assert told(poll.answer(MARK, body)) == ["malformed value"] * rejected
    assert poll.continuity.messages == 0
    message = published(poll.answer("BTCUSDT", open_interest()))
    assert (message.open_interest_value, message.mark_price) == (None, None)
    assert message.open_interest == "10659.509"


def test_a_mark_price_that_failed_is_not_that_of_the_last_round() -> None:
    poll = Round()
    poll.answer(MARK, premium_index())
    poll.answer("BTCUSDT", open_interest())
    assert list(poll.poll.begin(RECV_NS)) == poll.wanted
    later = published(poll.answer("BTCUSDT", open_interest(time=PUSHED + 60_000)))
    assert (later.mark_price, later.open_interest_value) == (None, None)


def test_only_what_is_newer_is_published() -> None:
    poll = Round(BTC_USDM, ETH_USDM)
    times = [PUSHED, PUSHED, PUSHED - 1, PUSHED + 1]
    counts = [len(poll.answer("BTCUSDT", open_interest(time=time))) for time in times]
    assert counts == [1, 0, 0, 1]
    # Each contract for itself, and over what follows the poll, too.
    assert len(poll.answer("ETHUSDT", open_interest("ETHUSDT"))) == 1
    again = Round(continuity=poll.continuity)
    assert again.answer("BTCUSDT", open_interest(time=PUSHED + 1)) == []
    assert again.states["BTCUSDT"].messages == 1
    assert poll.continuity.messages == 6
    assert poll.states["BTCUSDT"].messages == 4
    assert poll.states["BTCUSDT"].last_recv_ns == RECV_NS


def test_a_dated_contract_has_open_interest() -> None:
    poll = Round(BTC_DATED)
    message = published(poll.answer("BTCUSDT_260925", open_interest("BTCUSDT_260925")))
    assert (message.market_type, message.symbol) == ("futures", "BTC-USDT-260925")


def test_no_open_interest_is_one() -> None:
    assert (
        published(Round().answer("BTCUSDT", open_interest(openInterest="0"))).open_interest == "0"
    )


@pytest.mark.parametrize(
    "body",
    [
        open_interest(openInterest=""),
        open_interest(openInterest="-1"),
        open_interest(openInterest="NaN"),
        open_interest(openInterest="1,5"),
        open_interest(openInterest=1.5),
        open_interest(openInterest=None),
        open_interest(time="1589437530011"),
        open_interest(time=-1),
        open_interest(time=10**16),
        open_interest("ETHUSDT"),
        {"code": -4108, "msg": "Symbol is on delivering."},
        {},
        [],
        [open_interest()],
        None,
        7,
    ],
)
def test_a_malformed_answer_is_rejected(body: Any) -> None:
    poll = Round()
    (reject,) = poll.answer("BTCUSDT", body)
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed value"
    assert reject.detail.startswith("BTCUSDT: ")
    assert poll.states["BTCUSDT"].messages == poll.continuity.messages == 0
    assert published(poll.answer("BTCUSDT", open_interest()))


def test_a_value_with_too_many_digits_is_rejected() -> None:
    poll = Round()
    digits = f"0.{'3' * 37}"
    poll.answer(MARK, premium_index(markPrice=digits))
    assert told(poll.answer("BTCUSDT", open_interest(openInterest=digits))) == ["malformed value"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"x":' * 100_000])
def test_no_answer_raises(body: bytes) -> None:
    poll = Round()
    for key in (MARK, "BTCUSDT"):
        assert told(poll.poll.fetched(key, body, RECV_NS)) == ["malformed value"]
    assert json.loads(encoded(open_interest()))
