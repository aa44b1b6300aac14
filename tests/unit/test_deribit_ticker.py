"""Funding rates and open interest of Deribit's tickers."""

from dataclasses import replace
from typing import Any

import pytest

from mprism.feeds.deribit.channels import recorded_subscriptions
from mprism.feeds.deribit.connection import DeribitConnection
from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.schema import FundingRate, OpenInterest
from mprism.settings import ExchangeSettings
from tests.unit.deribit_payloads import (
    BTC,
    BTC_DATED,
    BTC_USDC,
    RECV_NS,
    TIME_MS,
    Socket,
    pushed,
    raw,
    ticker,
)

TICKER = "ticker.BTC-PERPETUAL.agg2"
LINEAR = "ticker.BTC_USDC-PERPETUAL.agg2"
LINEAR_NAME = "BTC_USDC-PERPETUAL"


def funding_only(**changes: Any) -> list[Action]:
    return Socket(data_types=["funding_rate"]).push(TICKER, ticker(**changes))


def interest_only(**changes: Any) -> list[Action]:
    return Socket(data_types=["open_interest"]).push(TICKER, ticker(**changes))


def test_a_ticker_of_an_inverse_perpetual_tells_funding_and_open_interest() -> None:
    socket = Socket()
    common: dict[str, Any] = {
        "exchange": "deribit_derivatives",
        "market_type": "perpetual",
        "symbol": "BTC-USD",
        "instrument_id": "BTC-PERPETUAL",
        "timestamp": "2026-09-23T03:24:00.638Z",
        "ts_event": TIME_MS * 1_000_000,
        "ts_recv": RECV_NS,
    }
    assert socket.push(TICKER, ticker()) == [
        FundingRate(
            **common,
            current_funding_rate="0.0001423032929843748",
            estimated_funding_rate=None,
            funding_time=None,
            next_funding_time=None,
            funding_interval_hours=8,
            mark_price="86750.3",
            index_price="86744.11",
            premium_index="6.19",
        ),
        OpenInterest(
            **common,
            open_interest="103000345",
            open_interest_contracts="103000345",
            open_interest_value="1030003450",
            open_interest_usd="1030003450",
            quantity_unit="contracts",
            contract_size="10",
            mark_price="86750.3",
        ),
    ]
    state = socket.states[TICKER]
    assert (state.messages, state.last_recv_ns) == (1, RECV_NS)
    assert socket.continuity.messages == 1


def test_open_interest_of_a_linear_contract_is_in_base_currency() -> None:
    sent = ticker(instrument_name=LINEAR_NAME, open_interest=raw("1234.5"))
    (event,) = Socket(BTC_USDC, data_types=["open_interest"]).push(LINEAR, sent)
    assert event == OpenInterest(
        exchange="deribit_derivatives",
        market_type="perpetual",
        symbol="BTC-USDC",
        instrument_id=LINEAR_NAME,
        timestamp="2026-09-23T03:24:00.638Z",
        ts_event=TIME_MS * 1_000_000,
        ts_recv=RECV_NS,
        open_interest="1234.5",
        open_interest_contracts="12345000",
        open_interest_value="107093245.35",
        open_interest_usd=None,
        quantity_unit="base",
        contract_size="0.0001",
        mark_price="86750.3",
    )


def test_open_interest_without_a_mark_price_has_no_value() -> None:
    sent = ticker(instrument_name=LINEAR_NAME, mark_price=None)
    (event,) = Socket(BTC_USDC, data_types=["open_interest"]).push(LINEAR, sent)
    assert isinstance(event, OpenInterest)
    assert (event.open_interest_value, event.mark_price) == (None, None)


def test_a_dated_future_has_open_interest_and_no_funding() -> None:
    sent = ticker(instrument_name="BTC-25DEC26")
    del sent["current_funding"], sent["funding_8h"]
    (event,) = Socket(BTC_DATED).push("ticker.BTC-25DEC26.agg2", sent)
    assert isinstance(event, OpenInterest)
    assert (event.market_type, event.symbol) == ("futures", "BTC-USD-261225")


@pytest.mark.parametrize("field", ["mark_price", "index_price"])
def test_a_rate_is_published_without_the_prices_that_are_absent(field: str) -> None:
    (event,) = funding_only(**{field: None})
    assert isinstance(event, FundingRate)
    assert getattr(event, field) is None
    assert event.premium_index is None


@pytest.mark.parametrize(
    ("sent", "published"),
    [
        ("0", "0"),
        ("0.0", "0.0"),
        ("-1.5e-7", "-0.00000015"),
        ("-0.0001", "-0.0001"),
        ("1E-5", "0.00001"),
    ],
)
def test_rates_keep_their_digits(sent: str, published: str) -> None:
    (event,) = funding_only(current_funding=raw(sent))
    assert isinstance(event, FundingRate)
    assert event.current_funding_rate == published


def test_absent_values_are_not_published() -> None:
    assert funding_only(current_funding=None) == []
    assert interest_only(open_interest=None) == []


@pytest.mark.parametrize("field", ["current_funding", "open_interest", "mark_price", "index_price"])
@pytest.mark.parametrize("value", ["many", {"a": 1}, True, raw("1e99")])
def test_a_malformed_value_costs_the_whole_ticker(field: str, value: object) -> None:
    socket = Socket()
    (reject,) = socket.push(TICKER, ticker(**{field: value}))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed value"
    assert socket.states[TICKER].messages == socket.continuity.messages == 0
    # Nothing of it counts as published.
    assert len(socket.push(TICKER, ticker())) == 2


@pytest.mark.parametrize("field", ["open_interest", "mark_price", "index_price"])
def test_what_cannot_be_below_zero_is_malformed_there(field: str) -> None:
    (reject,) = Socket().push(TICKER, ticker(**{field: raw("-1.5")}))
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed value"


def test_a_price_of_zero_is_none() -> None:
    funding, interest = Socket().push(TICKER, ticker(mark_price=raw("0.0"), index_price=0))
    assert isinstance(funding, FundingRate)
    assert isinstance(interest, OpenInterest)
    assert (funding.mark_price, funding.index_price, funding.premium_index) == (None, None, None)
    assert interest.mark_price is None


def test_open_interest_that_is_no_number_of_contracts_is_in_base_currency_alone() -> None:
    odd = replace(BTC_USDC, contract_size="0.0003")
    sent = ticker(instrument_name=LINEAR_NAME, open_interest=raw("0.0"))
    assert one_interest(odd, sent).open_interest_contracts == "0"
    assert one_interest(odd, sent | {"open_interest": 1}).open_interest_contracts is None


def one_interest(instrument: Instrument, sent: dict[str, Any]) -> OpenInterest:
    (event,) = Socket(instrument, data_types=["open_interest"]).push(LINEAR, sent)
    assert isinstance(event, OpenInterest)
    return event


def test_a_rate_is_published_when_it_changes_and_after_a_time() -> None:
    socket = Socket(data_types=["funding_rate"], funding_repeat_seconds=30.0)

    def published(seconds: float, rate: str = "1e-4") -> bool:
        time = TIME_MS + round(seconds * 1_000)
        return bool(socket.push(TICKER, ticker(timestamp=time, current_funding=raw(rate))))

    assert published(0)
    assert not published(1)
    assert published(2, "2e-4")
    assert not published(2, "3e-4")
    assert not published(31.9, "2e-4")
    assert published(32, "2e-4")


def test_open_interest_is_published_when_it_changes_and_each_minute() -> None:
    socket = Socket(data_types=["open_interest"])

    def published(seconds: float, held: int = 10, socket: Socket = socket) -> bool:
        time = TIME_MS + round(seconds * 1_000)
        return bool(socket.push(TICKER, ticker(timestamp=time, open_interest=held)))

    assert published(0)
    assert not published(1)
    assert published(2, 20)
    assert not published(2, 30)
    assert not published(1, 40)
    assert not published(61.9, 20)
    assert published(62, 20)
    # On another connection the same time is not published again.
    other = Socket(data_types=["open_interest"], continuity=socket.continuity)
    assert not published(62, 50, other)
    assert published(63, 50, other)
    # A time so much older says that the last one was wrong.
    assert not published(3.1, 60)
    assert published(3, 60)


def test_instruments_are_told_apart() -> None:
    socket = Socket(BTC, BTC_USDC)
    assert len(socket.push(TICKER, ticker())) == 2
    assert len(socket.push(LINEAR, ticker(instrument_name=LINEAR_NAME))) == 2


def perpetual(recorded: str = "perpetual.BTC-PERPETUAL.100ms") -> DeribitConnection:
    wanted = recorded_subscriptions([recorded], {"BTC-PERPETUAL": BTC})
    settings = ExchangeSettings()
    return DeribitConnection(wanted, settings, PublishedLiquidations(), Continuity(), {})


def test_recorded_perpetual_channels_tell_funding() -> None:
    data = {
        "index_price": raw("86744.11"),
        "interest": raw("1.423032929843748e-4"),
        "timestamp": TIME_MS,
    }
    frame = pushed("perpetual.BTC-PERPETUAL.100ms", data)
    assert list(perpetual().receive(frame, RECV_NS)) == [
        FundingRate(
            exchange="deribit_derivatives",
            market_type="perpetual",
            symbol="BTC-USD",
            instrument_id="BTC-PERPETUAL",
            timestamp="2026-09-23T03:24:00.638Z",
            ts_event=TIME_MS * 1_000_000,
            ts_recv=RECV_NS,
            current_funding_rate="0.0001423032929843748",
            funding_interval_hours=8,
            mark_price=None,
            index_price="86744.11",
            premium_index=None,
        )
    ]
    (reject,) = perpetual().receive(pushed("perpetual.BTC-PERPETUAL.100ms", {}), RECV_NS)
    assert isinstance(reject, Reject)
    assert reject.reason == "malformed event"
