"""The intervals between settlements: known from the start, and kept up to date."""

from typing import Any

import pytest

from mprism.feeds.binance.funding import FundingHours, FundingInfoPoll, parse_funding_info
from mprism.feeds.binance.instruments import parse_instruments
from mprism.feeds.binance.market import USDM
from mprism.feeds.errors import NetworkFault
from mprism.feeds.protocol import Continuity, Fetch, Request
from mprism.state import StreamState
from tests.unit.binance_contracts import adjusted, answered, encoded, listed
from tests.unit.binance_payloads import BTC_USDM, ETH_USDM, RECV_NS, told

NO_INFO = [b"", b"{}", b"null", b"<html>", b"\xff", b"[" * 100_000, b'{"code":-1003,"msg":"x"}']
SYMBOLS = [
    listed("BTCUSDT", "BTC"),
    listed("ETHUSDT", "ETH"),
    listed("TSLAUSDT", "TSLA", contractType="TRADIFI_PERPETUAL"),
    listed("BTCUSDT_260925", "BTC", contractType="NEXT_QUARTER", deliveryDate=1_790_323_200_000),
]
INFO = [adjusted("ETHUSDT", 4), adjusted("BTCUSDT_260925", 4), adjusted("DOGEUSDT", 1)]


def test_instruments_have_their_intervals_from_the_start() -> None:
    found = parse_instruments(USDM, encoded({"symbols": SYMBOLS}), encoded(INFO))
    assert found.skipped == ()
    assert {
        each.instrument_id: (each.has_funding, each.funding_interval_hours)
        for each in found.instruments.values()
    } == {
        # Those that are not named have the usual one.
        "BTCUSDT": (True, 8),
        "ETHUSDT": (True, 4),
        "TSLAUSDT": (True, 8),
        "BTCUSDT_260925": (False, None),
    }


def test_intervals_that_nobody_asked_for_are_unknown() -> None:
    found = parse_instruments(USDM, encoded({"symbols": SYMBOLS})).instruments
    assert {each.funding_interval_hours for each in found.values()} == {None}
    assert found["BTCUSDT"].has_funding


@pytest.mark.parametrize(
    ("entry", "hours"),
    [
        (adjusted(hours=8), 8),
        (adjusted(hours=1, new=[{}]), 1),
        (adjusted(hours="4"), 4),
    ],
)
def test_an_interval_is_a_number_of_hours(entry: dict[str, Any], hours: int) -> None:
    assert parse_funding_info(encoded([entry])) == ({"BTCUSDT": hours}, [])


@pytest.mark.parametrize("hours", [None, 0, -8, 1.5, "", "x", 10**9, [], {}])
def test_an_interval_that_cannot_be_read_is_unknown_and_not_the_usual_one(hours: object) -> None:
    body = [adjusted("ETHUSDT", 4), adjusted(hours=hours), adjusted("DOGEUSDT", 1)]
    named, unread = parse_funding_info(encoded(body))
    assert named == {"ETHUSDT": 4, "BTCUSDT": None, "DOGEUSDT": 1}
    assert len(unread) == 1
    found = parse_instruments(USDM, encoded({"symbols": SYMBOLS}), encoded(body))
    assert found.instruments["BTCUSDT"].funding_interval_hours is None
    assert found.instruments["ETHUSDT"].funding_interval_hours == 4
    assert found.skipped == tuple(unread)


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, adjusted() | {"symbol": 7}])
def test_one_bad_entry_costs_only_itself(entry: object) -> None:
    named, unread = parse_funding_info(encoded([entry, adjusted("ETHUSDT", 4)]))
    assert named == {"ETHUSDT": 4}
    assert len(unread) == 1


def test_an_entry_without_an_interval_is_unknown() -> None:
    entry = adjusted()
    del entry["fundingIntervalHours"]
    assert parse_funding_info(encoded([entry]))[0] == {"BTCUSDT": None}


@pytest.mark.parametrize("body", NO_INFO)
def test_what_is_no_list_is_a_fault(body: bytes) -> None:
    with pytest.raises(NetworkFault, match="/fapi/v1/fundingInfo: "):
        parse_funding_info(body)
    with pytest.raises(NetworkFault, match="/fapi/v1/fundingInfo: "):
        parse_instruments(USDM, encoded({"symbols": SYMBOLS}), body)


def poll_of(hours: FundingHours) -> tuple[FundingInfoPoll, StreamState, Continuity]:
    state, continuity = StreamState(), Continuity()
    return FundingInfoPoll([BTC_USDM, ETH_USDM], hours, continuity, state), state, continuity


def test_the_poll_keeps_the_intervals_up_to_date() -> None:
    hours: FundingHours = {"BTCUSDT": None, "ETHUSDT": 4}
    poll, state, continuity = poll_of(hours)
    assert list(poll.begin(RECV_NS)) == [
        Fetch("fundingInfo", Request("/fapi/v1/fundingInfo", pool="funding"))
    ]
    assert answered(poll, "fundingInfo", [adjusted(), adjusted("DOGEUSDT", 1)]) == []
    # ETHUSDT is no longer named: its interval is the usual one again.
    assert hours == {"BTCUSDT": 4, "ETHUSDT": 8}
    assert (state.messages, state.last_recv_ns, continuity.messages) == (1, RECV_NS, 1)
    bad = [adjusted(hours="soon"), adjusted("ETHUSDT", 2)]
    assert told(answered(poll, "fundingInfo", bad)) == ["malformed value"]
    assert hours == {"BTCUSDT": None, "ETHUSDT": 2}


@pytest.mark.parametrize("body", NO_INFO)
def test_an_answer_that_is_none_changes_nothing(body: bytes) -> None:
    hours: FundingHours = {"BTCUSDT": 4}
    poll, state, continuity = poll_of(hours)
    with pytest.raises(NetworkFault):
        poll.fetched("fundingInfo", body, RECV_NS)
    assert hours == {"BTCUSDT": 4}
    assert state.messages == continuity.messages == 0
