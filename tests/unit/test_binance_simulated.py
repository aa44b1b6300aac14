"""The rules of USD-M against a simulated exchange: every message says what was true.

Without sockets: the simulator's payloads go straight into the protocols of a whole plan.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from mprism.feeds.binance.venue import BINANCE_DERIVATIVES
from mprism.feeds.instrument import select
from mprism.feeds.protocol import Action, Continuity, Fetch, PollProtocol, Request
from mprism.schema import Event, rfc3339
from mprism.settings import ExchangeSettings
from tests.unit.binance_payloads import acknowledgement, wrapped
from tests.unit.simulator_api import Api

SYMBOLS = ("BTCUSDT", "SUSHIUSDT", "BTCUSDT_261225", "TSLAUSDT")
SETTINGS = ExchangeSettings(
    symbols=SYMBOLS,
    data_types=(
        "funding_rate",
        "liquidation",
        "open_interest",
        "lsr_top_position",
        "lsr_all_account",
    ),
    liquidations="all",
)
SECONDS = 90
PERIOD = 20.0  # of the ratios
TIMES = {"funding_time", "next_funding_time"}
COMPUTED = {"premium_index", "notional_value"}  # their digits do not count

Events = Mapping[tuple[str, str], list[dict[str, Any]]]


class Collected:
    """What a plan of protocols makes of a simulated market."""

    def __init__(self) -> None:
        self.api = Api("usdm", symbols=SYMBOLS, levels=60, rate=100, statistics_seconds=PERIOD)
        self.events: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        bodies = [self.ask(r) for r in BINANCE_DERIVATIVES.instrument_requests(SETTINGS)]
        listed = BINANCE_DERIVATIVES.parse_instruments(bodies).instruments
        chosen = select(listed, SYMBOLS, "binance_derivatives")
        plan = BINANCE_DERIVATIVES.plan(SETTINGS, chosen, listed)
        (connection,) = plan.connections
        self.streams = frozenset(connection.streams)
        self.protocol = connection.make_protocol(Continuity(), {})
        self.polls = [poll.make_protocol(Continuity(), {}) for poll in plan.polls]
        list(self.protocol.open())
        assert list(self.protocol.receive(acknowledgement(), 1)) == []

    def ask(self, request: Request) -> bytes:
        response = self.api.ask(f"{request.path}?{urlencode(request.parameters)}")
        assert response.status == 200, response.body
        return response.body

    def run(self) -> None:
        """All polls every ten seconds, and the streams between them."""
        for _ in range(0, SECONDS, 10):
            for poll in self.polls:
                self._poll(poll)
            for stream, message in self.api.advance(10):
                if stream in self.streams:
                    frame = wrapped(stream, message)
                    self._take(self.protocol.receive(frame, self.api.market.now_us * 1_000))

    def _poll(self, poll: PollProtocol) -> None:
        now_ns = self.api.market.now_us * 1_000
        for wanted in poll.begin(now_ns):
            self._take(poll.fetched(wanted.key, self.ask(wanted.request), now_ns))

    def _take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            assert not isinstance(action, Fetch)
            assert isinstance(action, Event), action
            fields = msgspec.to_builtins(action)
            self.events[fields["data_type"], fields["instrument_id"]].append(fields)


@pytest.fixture(scope="module")
def collected() -> Collected:
    found = Collected()
    found.run()
    return found


def said(collected: Collected, data_type: str) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    """What the exchange said, by symbol and time."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for tape in collected.api.truth.values():
        if tape.data_type == data_type:
            for record in tape.records():
                found[tape.symbol, record.time_ms].append(record.fields)
    return found


def agrees(event: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    def expected(name: str, value: Any) -> Any:
        return rfc3339(value * 1_000_000) if name in TIMES else value

    return all(
        Decimal(event[name]) == Decimal(value)
        if name in COMPUTED
        else event[name] == expected(name, value)
        for name, value in fields.items()
    )


@pytest.mark.parametrize("data_type", SETTINGS.data_types)
def test_every_message_says_what_was_true(collected: Collected, data_type: str) -> None:
    truth = said(collected, data_type)
    checked = 0
    for (kind, symbol), events in collected.events.items():
        for event in events if kind == data_type else []:
            fields = truth[symbol, event["ts_event"] // 1_000_000]
            assert any(agrees(event, each) for each in fields), (event, fields)
            checked += 1
    assert checked > 20


def test_every_instrument_has_what_the_exchange_has_of_it(collected: Collected) -> None:
    everything = {(kind, symbol) for kind in SETTINGS.data_types for symbol in SYMBOLS}
    of_perpetuals = {"funding_rate", "lsr_top_position", "lsr_all_account"}
    assert collected.events.keys() == everything - {
        (kind, "BTCUSDT_261225") for kind in of_perpetuals
    }


def test_every_liquidation_and_every_ratio_is_published_once(collected: Collected) -> None:
    for data_type in ("liquidation", "lsr_top_position", "lsr_all_account"):
        for symbol in SYMBOLS:
            events = collected.events.get((data_type, symbol), [])
            times = [event["ts_event"] // 1_000_000 for event in events]
            if events:
                assert times == sorted(times)
                assert times == [
                    time for name, time in said(collected, data_type) if name == symbol
                ]


def test_a_rate_is_published_when_it_changes(collected: Collected) -> None:
    truth = said(collected, "funding_rate")
    for symbol in ("BTCUSDT", "SUSHIUSDT", "TSLAUSDT"):
        last, expected = None, []
        for (name, time), (fields,) in truth.items():
            if name == symbol and fields["current_funding_rate"] != last:
                last = fields["current_funding_rate"]
                expected.append(time)
        events = collected.events["funding_rate", symbol]
        assert [event["ts_event"] // 1_000_000 for event in events] == expected


def test_the_value_of_open_interest_is_by_the_mark_price(collected: Collected) -> None:
    for symbol in SYMBOLS:
        events = collected.events["open_interest", symbol]
        assert len(events) == SECONDS / 10
        for event in events:
            value = Decimal(event["open_interest"]) * Decimal(event["mark_price"])
            assert Decimal(event["open_interest_value"]) == value
