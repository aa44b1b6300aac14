"""Long/short ratios of OKX by REST."""

from typing import Any

import pytest

from mprism.feeds.errors import NetworkFault
from mprism.feeds.okx.ratios import Ratios, RatioType
from mprism.feeds.protocol import Action, Continuity, Fetch
from mprism.schema import AllAccountRatio, TopPositionRatio
from mprism.settings import ExchangeSettings, PollingSettings
from mprism.state import StreamState
from tests.unit.okx_payloads import INVERSE, LINEAR, RECV_NS, TIME_MS, answer, place
from tests.unit.okx_socket import told

NAME = "BTC-USDT-SWAP"
ROOT = "/api/v5/rubik/stat/contracts"


class Poll:
    """One of the two polls."""

    def __init__(
        self,
        data_type: RatioType = "lsr_top_position",
        continuity: Continuity | None = None,
        **polling: Any,
    ) -> None:
        self.continuity = continuity or Continuity()
        self.states: dict[str, StreamState] = {}
        settings = ExchangeSettings(polling=PollingSettings(**polling))
        instruments = (LINEAR, INVERSE)
        self.ratios = Ratios(data_type, instruments, settings, self.continuity, self.states)

    def fetched(self, *rows: object) -> list[Action]:
        return list(self.ratios.fetched(NAME, answer(*rows), RECV_NS))


def row(minutes: int = 0, ratio: str = "1.1739") -> list[str]:
    return [str(TIME_MS + minutes * 60_000), ratio]


COMMON: dict[str, Any] = place(LINEAR) | {
    "long_short_ratio": "1.1739",
    "period": "5m",
}


def test_the_positions_of_top_traders() -> None:
    assert Poll("lsr_top_position").fetched(row()) == [
        TopPositionRatio(**COMMON, long_position_ratio="0.5400", short_position_ratio="0.4600")
    ]


def test_the_accounts_of_all_traders() -> None:
    assert Poll("lsr_all_account").fetched(row()) == [
        AllAccountRatio(**COMMON, long_account_ratio="0.5400", short_account_ratio="0.4600")
    ]


@pytest.mark.parametrize(
    ("data_type", "path"),
    [
        ("lsr_top_position", f"{ROOT}/long-short-position-ratio-contract-top-trader"),
        ("lsr_all_account", f"{ROOT}/long-short-account-ratio-contract"),
    ],
)
def test_a_round_asks_for_every_instrument(data_type: RatioType, path: str) -> None:
    fetches = list(Poll(data_type).ratios.begin(RECV_NS))
    assert [fetch.key for fetch in fetches] == [NAME, "BTC-USD-SWAP"]
    request = fetches[0].request
    assert isinstance(fetches[0], Fetch)
    assert request.path == path
    assert request.parameters == {"instId": NAME, "period": "5m", "limit": 12}
    assert request.pool == f"ratio:{data_type}:{NAME}"


@pytest.mark.parametrize(
    ("period", "wire"),
    [("5m", "5m"), ("15m", "15m"), ("30m", "30m"), ("1h", "1H"), ("2h", "2H"), ("4h", "4H")],
)
def test_periods_as_the_exchange_writes_them(period: str, wire: str) -> None:
    poll = Poll(ratio_period=period)
    (fetch, _) = poll.ratios.begin(RECV_NS)
    assert fetch.request.parameters["period"] == wire
    (event,) = poll.fetched(row())
    assert isinstance(event, TopPositionRatio)
    assert event.period == period


def test_what_is_new_is_published_once_and_oldest_first() -> None:
    continuity = Continuity()
    poll = Poll(continuity=continuity)
    times = [(TIME_MS + minutes * 60_000) * 1_000_000 for minutes in (0, 5, 10, 15)]
    names = [f"lsr_top_position {time}" for time in times]
    assert told(poll.fetched(row(10), row(5), row(0))) == names[:3]
    assert poll.fetched(row(10), row(5), row(0)) == []
    assert told(poll.fetched(row(15), row(10), row(5))) == names[3:]
    # The other ratio and other instruments have times of their own.
    assert len(Poll("lsr_all_account", continuity).fetched(row())) == 1
    other = poll.ratios.fetched("BTC-USD-SWAP", answer(row()), RECV_NS)
    assert told(other) == names[:1]
    assert poll.states[NAME].messages == 3
    assert poll.states[NAME].last_recv_ns == RECV_NS
    assert continuity.messages == 5


def test_a_time_that_was_wrong_does_not_end_the_ratios() -> None:
    poll = Poll()
    month = 30 * 24 * 60
    assert len(poll.fetched(row(month))) == 1
    assert len(poll.fetched(row(10), row(5), row(0))) == 3
    # Rows on both sides of a long pause are published once.
    assert len(poll.fetched(row(month), row(10), row(5))) == 1
    assert poll.fetched(row(month), row(10), row(5)) == []


def test_no_rows_are_no_data() -> None:
    poll = Poll()
    assert poll.fetched() == []
    assert poll.states[NAME].messages == poll.continuity.messages == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([], "malformed event"),
        (["x", "1"], "malformed event"),
        ([str(TIME_MS)], "malformed event"),
        ([str(TIME_MS), 1.5], "malformed event"),
        ({"ts": "1"}, "malformed event"),
        (None, "malformed event"),
        ([str(TIME_MS), ""], "malformed value"),
        ([str(TIME_MS), "-1"], "malformed value"),
        ([str(TIME_MS), "NaN"], "malformed value"),
    ],
)
def test_a_bad_row_costs_only_itself(bad: object, reason: str) -> None:
    poll = Poll()
    time = (TIME_MS + 300_000) * 1_000_000
    assert told(poll.fetched(bad, row(5))) == [reason, f"lsr_top_position {time}"]
    alone = Poll()
    assert told(alone.fetched(bad)) == [reason]
    assert alone.states[NAME].messages == alone.continuity.messages == 0


@pytest.mark.parametrize(
    ("ratio", "shares"),
    [("0", ("0.0000", "1.0000")), ("1", ("0.5000", "0.5000")), ("3", ("0.7500", "0.2500"))],
)
def test_the_shares(ratio: str, shares: tuple[str, str]) -> None:
    (event,) = Poll().fetched(row(ratio=ratio))
    assert isinstance(event, TopPositionRatio)
    assert (event.long_position_ratio, event.short_position_ratio) == shares
    assert event.long_short_ratio == ratio


def test_more_columns_are_no_matter() -> None:
    assert len(Poll().fetched([*row(), "new", {}])) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", answer(code="50001")])
def test_what_is_no_answer_is_a_fault(body: bytes) -> None:
    with pytest.raises(NetworkFault):
        list(Poll().ratios.fetched(NAME, body, RECV_NS))


def test_patience_is_three_rounds() -> None:
    states = Poll(ratio_seconds=90.0).states
    assert {name: state.patience for name, state in states.items()} == {
        NAME: 270.0,
        "BTC-USD-SWAP": 270.0,
    }
