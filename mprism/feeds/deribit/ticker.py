"""Funding and open interest: the channels `ticker.*` and `perpetual.*`.

Funding accrues continuously: nothing is ever settled at a time of its own, so that there are
no funding times. The rate is one for eight hours, as the exchange writes it.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from mprism.feeds.decimals import MalformedNumber, difference, product, quotient
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.deribit.channels import Stream
from mprism.feeds.deribit.wire import PerpetualData, TickerData, given, given_amount, given_price
from mprism.feeds.instrument import Instrument
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Reject
from mprism.schema import FundingRate, OpenInterest

_RATE_HOURS: Final = 8
_REPEAT_MS: Final = 60_000  # open interest that stays the same is published again after this

_decode_ticker = msgspec.json.Decoder(TickerData).decode
_decode_perpetual = msgspec.json.Decoder(PerpetualData).decode


class TickerChannel:
    """One instrument's `ticker` or `perpetual` channel on one connection."""

    def __init__(self, stream: Stream, funding_repeat_seconds: float) -> None:
        self.stream = stream
        self._funding_repeat_seconds = funding_repeat_seconds
        self._open_interest: str | None = None  # last published here

    def receive(self, data: Raw, recv_ns: int) -> Iterator[Action]:
        """A message of the channel."""
        channel = self.stream.wanted.channel
        try:
            ticker = self._read(data)
        except UNDECODABLE as error:
            yield Reject("malformed event", f"{channel}: {error}")
            return
        if ticker.instrument_name != self.stream.instrument.instrument_id:
            yield Reject("malformed event", f"{ticker.instrument_name!r} on {channel}")
            return
        try:
            events = list(self._events(ticker, recv_ns))
        except MalformedNumber as error:
            yield Reject("malformed value", f"{channel}: {error}")
            return
        self.stream.note(recv_ns)
        yield from events

    def _read(self, data: Raw) -> TickerData:
        if self.stream.wanted.kind == "ticker":
            return _decode_ticker(data)
        perpetual = _decode_perpetual(data)
        return TickerData(
            instrument_name=self.stream.instrument.instrument_id,
            timestamp=perpetual.timestamp,
            index_price=perpetual.index_price,
            current_funding=perpetual.interest,
        )

    def _events(self, ticker: TickerData, recv_ns: int) -> Iterator[Action]:
        """What is news of it. Everything is read before any of it counts as published."""
        instrument, continuity = self.stream.instrument, self.stream.continuity
        data_types = self.stream.wanted.data_types
        funding = _funding(ticker, instrument, recv_ns) if "funding_rate" in data_types else None
        interest = _interest(ticker, instrument, recv_ns) if "open_interest" in data_types else None
        if funding and continuity.funding.is_news(funding, self._funding_repeat_seconds):
            yield funding
        if interest and self._is_news(interest.open_interest, ticker.timestamp):
            yield interest

    def _is_news(self, open_interest: str, time: int) -> bool:
        last_time, series = self.stream.continuity.last_time, self._series
        elapsed = time - last_time.get(series, -_REPEAT_MS)
        # So much older means that the time of the last one was wrong.
        is_near = -_REPEAT_MS < elapsed < _REPEAT_MS
        if is_near and (elapsed <= 0 or open_interest == self._open_interest):
            return False
        last_time[series], self._open_interest = time, open_interest
        return True

    @property
    def _series(self) -> str:
        return f"open_interest:{self.stream.instrument.instrument_id}"


def _funding(ticker: TickerData, instrument: Instrument, recv_ns: int) -> FundingRate | None:
    rate = given(ticker.current_funding)
    if rate is None:
        return None
    mark, index = given_price(ticker.mark_price), given_price(ticker.index_price)
    return FundingRate(
        **place(instrument, ticker.timestamp, recv_ns),
        current_funding_rate=rate,
        funding_interval_hours=_RATE_HOURS,
        mark_price=mark,
        index_price=index,
        premium_index=None if mark is None or index is None else difference(mark, index),
    )


def _interest(ticker: TickerData, instrument: Instrument, recv_ns: int) -> OpenInterest | None:
    sent = given_amount(ticker.open_interest)
    if sent is None:
        return None
    mark = given_price(ticker.mark_price)
    is_inverse = instrument.quantity_unit == "contracts"  # then dollars are sent
    value = sent if is_inverse else None if mark is None else product(sent, mark)
    is_usd = is_inverse or instrument.symbol.split("-")[1] == "USD"
    return OpenInterest(
        **place(instrument, ticker.timestamp, recv_ns),
        open_interest=instrument.quantity(sent),
        open_interest_contracts=_contracts(sent, instrument),
        open_interest_value=value,
        open_interest_usd=value if is_usd else None,
        quantity_unit=instrument.quantity_unit,
        contract_size=instrument.contract_size,
        mark_price=mark,
    )


def _contracts(sent: str, instrument: Instrument) -> str | None:
    """How many contracts that is; None where it cannot be written exactly."""
    try:
        return quotient(sent, instrument.contract_size or "")
    except MalformedNumber:
        return None
