"""Liquidations by REST: what is asked for, and what of the answers is published."""

from typing import Any

import pytest

from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.deribit.polls import LiquidationPoll
from mprism.feeds.errors import NetworkFault
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import Liquidation
from mprism.state import StreamState
from tests.unit.deribit_payloads import (
    BTC,
    BTC_USDC,
    RECV_NS,
    TIME_MS,
    Socket,
    encode,
    trade,
)

NOW_MS = 1_790_133_900_000
NAME = "BTC-PERPETUAL"


class Poll:
    """A poll of BTC-PERPETUAL, and of BTC_USDC-PERPETUAL too if asked for."""

    def __init__(self, *, both: bool = False) -> None:
        self.published = PublishedLiquidations()
        self.continuity = Continuity()
        self.states: dict[str, StreamState] = {}
        instruments = [BTC, BTC_USDC] if both else [BTC]
        self.protocol = LiquidationPoll(
            instruments, self.published, 20.0, self.continuity, self.states
        )

    def begin(self, now_ms: int = NOW_MS) -> list[Fetch]:
        return list(self.protocol.begin(now_ms * 1_000_000 + 999))

    def answer(self, *trades: Any, has_more: bool = False, now_ms: int = NOW_MS) -> list[Action]:
        result = {"trades": trades, "has_more": has_more, "zz": 1}
        return self.body(encode({"jsonrpc": "2.0", "result": result, "usOut": now_ms * 1_000}))

    def body(self, body: str) -> list[Action]:
        return list(self.protocol.fetched(NAME, body.encode(), RECV_NS))


def asked(begin: int, end: int, name: str = NAME) -> Fetch:
    """A request for trades of this time, ms."""
    parameters: dict[str, str | int] = {
        "instrument_name": name,
        "start_timestamp": begin,
        "end_timestamp": end,
        "count": 1_000,
        "sorting": "asc",
    }
    path = "/api/v2/public/get_last_trades_by_instrument_and_time"
    return Fetch(name, Request(path, parameters, 500))


def test_the_first_round_asks_for_the_last_minute_of_each_instrument() -> None:
    poll = Poll(both=True)
    assert poll.begin() == [
        asked(NOW_MS - 60_000, NOW_MS),
        asked(NOW_MS - 60_000, NOW_MS, "BTC_USDC-PERPETUAL"),
    ]
    assert {name: state.patience for name, state in poll.states.items()} == {
        "BTC-PERPETUAL": 60.0,
        "BTC_USDC-PERPETUAL": 60.0,
    }


def test_flagged_trades_are_published_once() -> None:
    poll = Poll()
    poll.begin()
    (event,) = poll.answer(trade(11), trade(12, liquidation="T"), trade(13, liquidation=None))
    assert isinstance(event, Liquidation)
    assert (event.liquidation_id, event.ts_recv) == ("412-T", RECV_NS)
    state = poll.states[NAME]
    assert (state.acknowledged, state.messages, state.last_recv_ns) == (True, 1, RECV_NS)
    assert poll.continuity.messages == 1
    poll.begin()
    (event,) = poll.answer(trade(12, liquidation="T"), trade(14, liquidation="M"))
    assert isinstance(event, Liquidation)
    assert event.liquidation_id == "414-M"


def test_what_the_stream_has_told_is_not_told_again_and_the_reverse() -> None:
    poll = Poll()
    socket = Socket(published=poll.published, data_types=["liquidation"])
    assert socket.push("trades.BTC-PERPETUAL.100ms", [trade(11, liquidation="MT")])
    poll.begin()
    assert poll.answer(trade(11, liquidation="MT")) == []
    assert len(poll.answer(trade(12, liquidation="MT"))) == 2
    assert socket.push("trades.BTC-PERPETUAL.100ms", [trade(12, liquidation="MT")]) == []


def test_an_answer_without_liquidations_is_valid_data() -> None:
    poll = Poll()
    poll.begin()
    assert poll.answer() == []
    assert poll.states[NAME].messages == poll.continuity.messages == 1


def test_later_rounds_begin_a_minute_before_the_last_one_that_was_read() -> None:
    poll = Poll()
    poll.begin()
    poll.answer(trade(11))
    assert poll.begin(NOW_MS + 20_000) == [asked(NOW_MS - 60_000, NOW_MS + 20_000)]
    # That one failed; nothing of its time may be left out.
    assert poll.begin(NOW_MS + 90_000) == [asked(NOW_MS - 60_000, NOW_MS + 90_000)]
    poll.answer()
    # The answer left the exchange before the time that was asked for.
    assert poll.begin(NOW_MS + 95_000) == [asked(NOW_MS - 60_000, NOW_MS + 95_000)]
    poll.answer(now_ms=NOW_MS + 95_001)
    assert poll.begin(NOW_MS + 200_000) == [asked(NOW_MS + 35_000, NOW_MS + 200_000)]
    poll.body('{"result":{"trades":[]}}')
    assert poll.begin(NOW_MS + 220_000) == [asked(NOW_MS + 140_000, NOW_MS + 220_000)]


def test_a_clock_that_goes_back_asks_for_no_time_that_is_none() -> None:
    poll = Poll()
    poll.begin()
    poll.answer()
    assert poll.begin(NOW_MS - 500_000) == [asked(NOW_MS - 560_000, NOW_MS - 500_000)]


def test_a_full_page_is_followed_by_the_next_one() -> None:
    poll = Poll()
    poll.begin(TIME_MS + 1_000)
    rows = [trade(11, liquidation="T"), trade(12, timestamp=TIME_MS + 5)]
    event, more = poll.answer(*rows, has_more=True)
    assert isinstance(event, Liquidation)
    assert more == asked(TIME_MS + 5, TIME_MS + 1_000)
    # More of one time than a page holds: the next one begins behind it.
    (more,) = poll.answer(trade(13, timestamp=TIME_MS + 5), has_more=True)
    assert more == asked(TIME_MS + 6, TIME_MS + 1_000)
    assert poll.answer(trade(14, timestamp=TIME_MS + 7)) == []
    assert poll.begin(TIME_MS + 2_000) == [asked(TIME_MS - 59_000, TIME_MS + 2_000)]


def test_a_round_that_stops_between_pages_goes_on_from_there() -> None:
    poll = Poll()
    poll.begin(TIME_MS - 600_000)
    poll.answer(now_ms=TIME_MS)
    poll.begin(TIME_MS)
    poll.answer(trade(11, timestamp=TIME_MS - 100_000), has_more=True)
    assert poll.begin(TIME_MS + 1) == [asked(TIME_MS - 160_000, TIME_MS + 1)]


def test_a_page_of_malformed_trades_is_not_followed() -> None:
    poll = Poll()
    poll.begin()
    rejects = poll.answer(trade(11, price=None), 7, has_more=True)
    assert [type(reject) for reject in rejects] == [Reject, Reject]


def test_a_malformed_trade_costs_no_other() -> None:
    poll = Poll()
    poll.begin()
    reject, event = poll.answer(trade(11, liquidation=5), trade(12, liquidation="M"))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed trade"
    assert isinstance(event, Liquidation)


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "{}", '{"result":{"trades":{}}}', "[" * 9_999]
)
def test_an_answer_that_is_none_is_a_fault(body: str) -> None:
    poll = Poll()
    poll.begin()
    with pytest.raises(NetworkFault, match=NAME):
        poll.body(body)
    assert poll.continuity.messages == 0
