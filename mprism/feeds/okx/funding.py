"""Funding rates (OKX v5, "Funding rate channel"): pushed every 30 to 90 s.

`fundingRate` is the rate that `fundingTime` will settle. `premium` is not the mark price less
the index price, so it is not published as that.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from mprism.feeds.decimals import checked, optional
from mprism.feeds.decoding import NS_PER_MS, Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.okx.wire import Push, Unreadable, milliseconds
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity
from mprism.schema import FundingRate, rfc3339

_MS_PER_HOUR: Final = 3_600_000


class FundingRow(Struct, gc=False):
    """One entry. `settState` is `settled`, or `processing` while a settlement goes on."""

    instrument_id: str = field(name="instId")
    rate: str = field(name="fundingRate")
    time: Milliseconds = field(name="ts")
    next_rate: str | None = field(name="nextFundingRate", default=None)
    funding_time: str | None = field(name="fundingTime", default=None)
    next_funding_time: str | None = field(name="nextFundingTime", default=None)
    settlement: str | None = field(name="settState", default=None)


_decode = msgspec.json.Decoder(FundingRow, strict=False).decode


class Funding:
    """One contract's funding rate."""

    def __init__(
        self, instrument: Instrument, continuity: Continuity, repeat_seconds: float
    ) -> None:
        self._instrument = instrument
        self._continuity = continuity
        self._repeat_seconds = repeat_seconds

    def read(self, raw: Raw, push: Push) -> Iterator[Action]:
        """What an entry leads to. Raises what makes an entry unreadable."""
        row = _decode(raw)
        if row.instrument_id != self._instrument.instrument_id:
            raise Unreadable("malformed event", f"instId {row.instrument_id!r}")
        event = self._normalised(row, push.recv_ns)
        if self._continuity.funding.is_news(event, self._repeat_seconds):
            yield event

    def _normalised(self, row: FundingRow, recv_ns: int) -> FundingRate:
        instrument = self._instrument
        due = milliseconds(row.funding_time)
        interval = _interval(due, milliseconds(row.next_funding_time))
        return FundingRate(
            **place(instrument, row.time, recv_ns),
            current_funding_rate=checked(row.rate),
            estimated_funding_rate=optional(row.next_rate),
            funding_time=_last_settlement(row, due, interval),
            next_funding_time=None if due is None else rfc3339(due * NS_PER_MS),
            funding_interval_hours=_hours(interval),
        )


def _interval(due: int | None, next_due: int | None) -> int | None:
    """Milliseconds between two settlements, where both are told."""
    if due is None or next_due is None or not 0 < next_due - due <= due:
        return None
    return next_due - due


def _hours(interval: int | None) -> int | None:
    return interval // _MS_PER_HOUR if interval and interval % _MS_PER_HOUR == 0 else None


def _last_settlement(row: FundingRow, due: int | None, interval: int | None) -> str | None:
    if due is None or interval is None or row.settlement != "settled":
        return None
    return rfc3339((due - interval) * NS_PER_MS)
