"""Long/short ratios by REST (OKX v5, "Trading statistics"): rows `[time, ratio]`, newest first.

The exchange gives the ratio alone. The shares are computed from it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from mprism.feeds.decimals import MalformedNumber, checked, shares
from mprism.feeds.decoding import UNDECODABLE, Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.okx.answers import rows_of
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import AllAccountRatio, TopPositionRatio
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

RatioType = Literal["lsr_top_position", "lsr_all_account"]
RATIO: Final = "ratio"
_ROOT: Final = "/api/v5/rubik/stat/contracts"
PATHS: Final[dict[RatioType, str]] = {
    "lsr_top_position": f"{_ROOT}/long-short-position-ratio-contract-top-trader",
    "lsr_all_account": f"{_ROOT}/long-short-account-ratio-contract",
}
_ROWS: Final = 12  # so that missed periods are made good
_MISSED_ROUNDS: Final = 3


class RatioRow(Struct, array_like=True, gc=False):
    """One period. Its time is that of its beginning."""

    time: Milliseconds
    ratio: str


_decode = msgspec.json.Decoder(RatioRow, strict=False).decode


@dataclass(frozen=True, slots=True)
class _Value:
    row: RatioRow
    ratio: str
    long: str
    short: str


class Ratios:
    """One of the two ratios, for some instruments. See `mprism.feeds.protocol.PollProtocol`."""

    def __init__(
        self,
        data_type: RatioType,
        instruments: Sequence[Instrument],
        settings: ExchangeSettings,
        continuity: Continuity,
        states: dict[str, StreamState],
    ) -> None:
        """`states` gets an entry per instrument id and is kept up to date."""
        self._data_type = data_type
        self._instruments = {each.instrument_id: each for each in instruments}
        self._period = settings.polling.ratio_period
        self._continuity = continuity
        self._states = states
        patience = _MISSED_ROUNDS * settings.polling.ratio_seconds
        for name in self._instruments:
            states[name] = StreamState(acknowledged=True, patience=patience)

    def begin(self, now_ns: int) -> Iterable[Fetch]:
        period = self._period.replace("h", "H")  # as OKX writes it
        for name in self._instruments:
            request = Request(
                PATHS[self._data_type],
                {"instId": name, "period": period, "limit": _ROWS},
                pool=f"{RATIO}:{self._data_type}:{name}",
            )
            yield Fetch(name, request)

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterator[Action]:
        instrument, values = self._instruments[key], []
        for raw in rows_of(body):
            try:
                values.append(_value(raw))
            except UNDECODABLE as error:
                yield Reject("malformed event", f"{key}: {error}")
            except MalformedNumber as error:
                yield Reject("malformed value", f"{key}: {error}")
        if values:
            self._note_data(key, recv_ns)
        yield from self._news(instrument, values, recv_ns)

    def _note_data(self, key: str, recv_ns: int) -> None:
        state = self._states[key]
        state.messages += 1
        state.last_recv_ns = recv_ns
        self._continuity.messages += 1

    def _news(
        self, instrument: Instrument, values: list[_Value], recv_ns: int
    ) -> Iterator[TopPositionRatio | AllAccountRatio]:
        """What was not published yet, oldest first."""
        series = f"{self._data_type}:{instrument.instrument_id}"
        values.sort(key=lambda value: value.row.time)
        for value in values:
            if self._continuity.is_newer(series, value.row.time, values[-1].row.time):
                yield self._normalised(instrument, value, recv_ns)

    def _normalised(
        self, instrument: Instrument, value: _Value, recv_ns: int
    ) -> TopPositionRatio | AllAccountRatio:
        if self._data_type == "lsr_top_position":
            return TopPositionRatio(
                **place(instrument, value.row.time, recv_ns),
                long_short_ratio=value.ratio,
                long_position_ratio=value.long,
                short_position_ratio=value.short,
                period=self._period,
            )
        return AllAccountRatio(
            **place(instrument, value.row.time, recv_ns),
            long_short_ratio=value.ratio,
            long_account_ratio=value.long,
            short_account_ratio=value.short,
            period=self._period,
        )


def _value(raw: Raw) -> _Value:
    row = _decode(raw)
    return _Value(row, checked(row.ratio), *shares(row.ratio))
