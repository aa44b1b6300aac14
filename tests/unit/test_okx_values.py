"""Funding rates and open interest of OKX, whole messages."""

from typing import Any

import pytest

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity
from mprism.schema import FundingRate, OpenInterest
from tests.unit.okx_payloads import (
    DATED,
    DERIVATIVES,
    INVERSE,
    LINEAR,
    TIME_MS,
    XPERP,
    funding,
    interest,
    place,
)
from tests.unit.okx_socket import Socket, told


def funding_of(instrument: Instrument, **changes: Any) -> list[Action]:
    name = instrument.instrument_id
    socket = Socket(instrument, data_types=["funding_rate"])
    return socket.push(f"funding-rate:{name}", funding(**{"instId": name} | changes))


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE, XPERP])
def test_a_funding_rate(instrument: Instrument) -> None:
    assert funding_of(instrument) == [
        FundingRate(
            **place(instrument),
            current_funding_rate="0.0001875391284828",
            estimated_funding_rate=None,
            funding_time="2026-09-23T00:00:00.000Z",
            next_funding_time="2026-09-23T08:00:00.000Z",
            funding_interval_hours=8,
            mark_price=None,
            index_price=None,
            premium_index=None,
        )
    ]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"nextFundingRate": "-0.00001"}, {"estimated_funding_rate": "-0.00001"}),
        ({"fundingRate": "-1.5e-5"}, {"current_funding_rate": "-0.000015"}),
        # What is being settled is not settled yet.
        ({"settState": "processing"}, {"funding_time": None}),
        ({"settState": ""}, {"funding_time": None}),
        (
            {"nextFundingTime": "1790154000000"},
            {"funding_interval_hours": 1, "funding_time": "2026-09-23T07:00:00.000Z"},
        ),
        (
            {"nextFundingTime": "1790152200000"},
            {"funding_interval_hours": None, "funding_time": "2026-09-23T07:30:00.000Z"},
        ),
        ({"nextFundingRate": None}, {"estimated_funding_rate": None}),
        ({"settState": None}, {"funding_time": None}),
        ({"nextFundingTime": None}, {"funding_interval_hours": None, "funding_time": None}),
        ({"nextFundingTime": ""}, {"funding_interval_hours": None, "funding_time": None}),
        ({"nextFundingTime": "0"}, {"funding_interval_hours": None, "funding_time": None}),
        (
            {"nextFundingTime": "1790150400000"},
            {"funding_interval_hours": None, "funding_time": None},
        ),
        (
            {"fundingTime": ""},
            {"funding_interval_hours": None, "funding_time": None, "next_funding_time": None},
        ),
    ],
)
def test_what_a_funding_rate_may_lack(changes: dict[str, str], fields: dict[str, Any]) -> None:
    (event,) = funding_of(LINEAR, **changes)
    assert isinstance(event, FundingRate)
    assert {name: getattr(event, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fundingRate": ""}, "malformed value"),
        ({"fundingRate": "x"}, "malformed value"),
        ({"fundingRate": None}, "malformed event"),
        ({"nextFundingRate": "x"}, "malformed value"),
        ({"fundingTime": "soon"}, "malformed value"),
        ({"fundingTime": "9223372036855"}, "malformed value"),
        ({"nextFundingTime": "-1"}, "malformed value"),
        ({"nextFundingTime": "99999999999999"}, "malformed value"),
        ({"instId": "ETH-USDT-SWAP"}, "malformed event"),
        ({"ts": ""}, "malformed event"),
    ],
)
def test_a_bad_funding_rate_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert told(funding_of(LINEAR, **changes)) == [reason]


def test_a_funding_rate_is_published_when_it_is_news() -> None:
    socket = Socket(LINEAR, data_types=["funding_rate"], funding_repeat_seconds=60.0)
    stream = "funding-rate:BTC-USDT-SWAP"
    times = [TIME_MS + 30_000 * n for n in range(5)]
    rows = [funding(ts=str(time)) for time in times]
    rows[3]["fundingRate"] = rows[4]["fundingRate"] = "0.0002"
    published = [event for row in rows for event in told(socket.push(stream, row))]
    assert published == [f"funding_rate {times[n] * 1_000_000}" for n in (0, 2, 3)]
    assert socket.states[stream].messages == 5


def interest_of(instrument: Instrument, **changes: Any) -> list[Action]:
    name = instrument.instrument_id
    socket = Socket(instrument, data_types=["open_interest"])
    return socket.push(f"open-interest:{name}", interest(**{"instId": name} | changes))


@pytest.mark.parametrize(
    ("instrument", "fields"),
    [
        (
            LINEAR,
            {
                "open_interest": "22161.1301000000309",
                "open_interest_value": None,
                "quantity_unit": "base",
                "contract_size": "0.01",
            },
        ),
        (
            XPERP,
            {
                "open_interest": "221.611301000000309",
                "open_interest_value": "1939251795.54769270396321",
                "quantity_unit": "base",
                "contract_size": "0.0001",
            },
        ),
        (
            INVERSE,
            {
                "open_interest": "2216113.01000000309",
                "open_interest_value": "221611301.00000030900",
                "quantity_unit": "contracts",
                "contract_size": "100",
            },
        ),
        (
            DATED,
            {
                "open_interest": "2216113.01000000309",
                "open_interest_value": "221611301.00000030900",
                "quantity_unit": "contracts",
                "contract_size": "100",
            },
        ),
    ],
)
def test_open_interest(instrument: Instrument, fields: dict[str, Any]) -> None:
    assert interest_of(instrument) == [
        OpenInterest(
            **place(instrument),
            open_interest_contracts="2216113.01000000309",
            open_interest_usd="1939251795.54769270396321",
            mark_price=None,
            **fields,
        )
    ]


def test_open_interest_without_dollars() -> None:
    for usd in ({"oiUsd": ""}, {"oiUsd": None}, {"oiUsd": "0"}):
        (event,) = interest_of(XPERP, **usd)
        assert isinstance(event, OpenInterest)
        assert event.open_interest_usd == event.open_interest_value == (usd["oiUsd"] or None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"oi": ""}, "malformed value"),
        ({"oi": "NaN"}, "malformed value"),
        ({"oi": "-1"}, "malformed value"),
        ({"oiUsd": "-1"}, "malformed value"),
        ({"oiUsd": "x"}, "malformed value"),
        ({"oi": 5}, "malformed event"),
        ({"ts": None}, "malformed event"),
        ({"instId": "ETH-USDT-SWAP"}, "malformed event"),
    ],
)
def test_bad_open_interest_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert told(interest_of(LINEAR, **changes)) == [reason]


def test_open_interest_is_published_once_for_each_time() -> None:
    continuity = Continuity()
    socket = Socket(LINEAR, data_types=["open_interest"], continuity=continuity)
    stream = "open-interest:BTC-USDT-SWAP"
    assert len(socket.push(stream, interest())) == 1
    # The next connection begins with the value that is known.
    socket = Socket(LINEAR, data_types=["open_interest"], continuity=continuity)
    assert socket.push(stream, interest()) == []
    assert socket.push(stream, interest(ts=str(TIME_MS - 1))) == []
    assert len(socket.push(stream, interest(ts=str(TIME_MS + 1)))) == 1
    assert continuity.duplicates == 2


def test_a_time_that_was_wrong_does_not_end_open_interest() -> None:
    socket = Socket(LINEAR, data_types=["open_interest"])
    stream = "open-interest:BTC-USDT-SWAP"
    for time in (9_000_000_000_000, TIME_MS, TIME_MS + 1):
        assert len(socket.push(stream, interest(ts=str(time)))) == 1


def test_silence_is_no_sign_where_pushes_are_rare() -> None:
    socket = Socket(
        *DERIVATIVES, data_types=["orderbook", "funding_rate", "open_interest", "liquidation"]
    )
    patience = {name.split(":")[0]: state.patience for name, state in socket.states.items()}
    assert patience == {
        "books": 60.0,
        "funding-rate": 120.0,
        "open-interest": 120.0,
        "liquidation-orders": float("inf"),
    }
    # Without funding there is no such stream.
    assert "funding-rate:BTC-USD-261225" not in socket.states
