"""Funding rates of USD-M: the mark price stream, and the time between settlements by REST.

Sources: "Mark Price Stream", "Get Funding Rate Info".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from mprism.feeds.binance.market import FUNDING
from mprism.feeds.binance.values import MALFORMED, amount_if_any
from mprism.feeds.binance.wire import MarkPriceEvent
from mprism.feeds.decimals import MalformedNumber, checked, difference
from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import FundingRate, rfc3339
from mprism.state import StreamState

FUNDING_INFO: Final = Request("/fapi/v1/fundingInfo", pool=FUNDING)
FUNDING_INFO_STREAM: Final = "fundingInfo"

_USUAL_HOURS: Final = 8  # of symbols that the exchange does not name
_NS_PER_HOUR: Final = 3_600 * 1_000_000_000

FundingHours = dict[str, int | None]
"""The hours between two settlements by instrument id, None where they are not known.

One mapping for all connections of the exchange, kept up to date.
"""


@dataclass(frozen=True, slots=True)
class Contracts:
    """What events of contracts leave out. All connections of the exchange share it."""

    listed: Mapping[str, Instrument] = field(default_factory=dict)  # by id
    funding_hours: FundingHours = field(default_factory=dict)
    funding_repeat_seconds: float = 60.0


class MarkPrices:
    """One `@markPrice` stream."""

    def __init__(
        self, instrument: Instrument, contracts: Contracts, continuity: Continuity
    ) -> None:
        self._instrument = instrument
        self._contracts = contracts
        self._funding = continuity.funding

    def follow(self, event: MarkPriceEvent, recv_ns: int) -> Iterable[Action] | Reject:
        """The rate, if it is news. A contract without funding has no rate and no time of it."""
        if not event.rate or not event.next_funding:
            return ()
        try:
            rate = self._normalised(event, recv_ns)
        except MalformedNumber as error:
            return Reject(MALFORMED, f"{event.symbol}: {error}")
        is_news = self._funding.is_news(rate, self._contracts.funding_repeat_seconds)
        return (rate,) if is_news else ()

    def _normalised(self, event: MarkPriceEvent, recv_ns: int) -> FundingRate:
        instrument = self._instrument
        next_ns = event.next_funding * NS_PER_MS
        hours = self._contracts.funding_hours.get(instrument.instrument_id)
        mark, index = amount_if_any(event.mark_price), amount_if_any(event.index_price)
        return FundingRate(
            **place(instrument, event.time, recv_ns),
            # `P` is the estimated price of a settlement and tells nothing of the next rate.
            current_funding_rate=checked(event.rate),
            funding_time=None if hours is None else rfc3339(next_ns - hours * _NS_PER_HOUR),
            next_funding_time=rfc3339(next_ns),
            funding_interval_hours=hours,
            mark_price=mark,
            index_price=index,
            premium_index=difference(mark, index) if mark and index else None,
        )


class _Adjusted(Struct, rename="camel"):
    """A symbol of `fundingInfo`: what is not named there is as usual."""

    symbol: str
    funding_interval_hours: Raw = Raw(b"null")


_decode_info = msgspec.json.Decoder(list[Raw]).decode
_decode_adjusted = msgspec.json.Decoder(_Adjusted).decode
_decode_hours = msgspec.json.Decoder(Annotated[int, Meta(ge=1, le=8_760)], strict=False).decode


def parse_funding_info(body: bytes) -> tuple[FundingHours, list[str]]:
    """The hours of the symbols that are named, and what could not be read.

    Raises NetworkFault for an answer that is none.
    """
    try:
        entries = _decode_info(body)
    except UNDECODABLE as error:
        raise NetworkFault(f"{FUNDING_INFO.path}: {error}") from error
    named: FundingHours = {}
    unread: list[str] = []
    for raw in entries:
        try:
            entry = _decode_adjusted(raw)
            # Until it can be read: to take it for the usual hours would be a guess.
            named[entry.symbol] = None
            named[entry.symbol] = _decode_hours(entry.funding_interval_hours)
        except UNDECODABLE as error:
            unread.append(f"{FUNDING_INFO_STREAM}: {error}")
    return named, unread


def hours_of(instrument_id: str, named: Mapping[str, int | None]) -> int | None:
    """The hours of an instrument, by the symbols that the exchange names."""
    return named.get(instrument_id, _USUAL_HOURS)


class FundingInfoPoll:
    """Keeps `hours` up to date. Publishes nothing: the next rate has the new hours."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        hours: FundingHours,
        continuity: Continuity,
        state: StreamState,
    ) -> None:
        self._instruments = instruments
        self._hours = hours
        self._continuity = continuity
        self._state = state

    def begin(self, now_ns: int) -> Iterable[Fetch]:
        return (Fetch(FUNDING_INFO_STREAM, FUNDING_INFO),)

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        named, unread = parse_funding_info(body)
        for instrument in self._instruments:
            instrument_id = instrument.instrument_id
            self._hours[instrument_id] = hours_of(instrument_id, named)
        self._state.messages += 1
        self._state.last_recv_ns = recv_ns
        self._continuity.messages += 1
        return [Reject(MALFORMED, detail) for detail in unread]
