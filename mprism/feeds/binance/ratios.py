"""Long/short ratios of USD-M: a row a period, which comes some minutes after its end.

Several periods are asked for, so that one that was missed is had later. Sources: "Top Trader
Long/Short Ratio (Positions)", "Long/Short Ratio".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from mprism.feeds.binance.market import STATISTICS
from mprism.feeds.binance.values import MALFORMED
from mprism.feeds.decimals import MalformedNumber, amount, shares
from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE, Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import AllAccountRatio, TopPositionRatio
from mprism.state import StreamState

AnyRatio = TopPositionRatio | AllAccountRatio
RatioType = Literal["lsr_top_position", "lsr_all_account"]

RATIO_PATHS: Final[Mapping[RatioType, str]] = {
    "lsr_top_position": "/futures/data/topLongShortPositionRatio",
    "lsr_all_account": "/futures/data/globalLongShortAccountRatio",
}

_PERIODS: Final = 12


class _Row(Struct, rename="camel"):
    """One period. The shares of positions are called accounts, or positions on COIN-M."""

    timestamp: Milliseconds
    long_short_ratio: str
    symbol: str | None = None
    long_account: str | None = None
    short_account: str | None = None
    long_position: str | None = None
    short_position: str | None = None

    def shares(self) -> tuple[str, str]:
        """Long and short; where one is not told, both are of the ratio."""
        long = self.long_account or self.long_position
        short = self.short_account or self.short_position
        return (amount(long), amount(short)) if long and short else shares(self.long_short_ratio)


_decode_rows = msgspec.json.Decoder(list[Raw]).decode
_decode_row = msgspec.json.Decoder(_Row).decode


@dataclass(frozen=True, slots=True)
class RatioPoll:
    """One kind of ratio of some instruments. See `mprism.feeds.protocol.PollProtocol`."""

    data_type: RatioType
    period: str
    instruments: Mapping[str, Instrument]  # by id
    continuity: Continuity
    states: Mapping[str, StreamState]  # by instrument id; kept up to date

    def begin(self, now_ns: int) -> Iterator[Fetch]:
        for instrument_id in self.instruments:
            parameters: dict[str, str | int] = {
                "symbol": instrument_id,
                "period": self.period,
                "limit": _PERIODS,
            }
            path = RATIO_PATHS[self.data_type]
            yield Fetch(instrument_id, Request(path, parameters, pool=STATISTICS))

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterator[Action]:
        try:
            entries = _decode_rows(body)
        except UNDECODABLE as error:
            yield Reject(MALFORMED, f"{key}: {error}")
            return
        read = [self._read(self.instruments[key], raw, recv_ns) for raw in entries]
        rows = [row for row in read if not isinstance(row, Reject)]
        if rows:
            self._note(key, recv_ns)
        yield from (reject for reject in read if isinstance(reject, Reject))
        rows.sort(key=lambda row: row.ts_event)
        for row in rows:
            times = row.ts_event // NS_PER_MS, rows[-1].ts_event // NS_PER_MS
            if self.continuity.is_newer(f"{self.data_type}:{key}", *times):
                yield row

    def _note(self, instrument_id: str, recv_ns: int) -> None:
        state = self.states[instrument_id]
        state.messages += 1
        state.last_recv_ns = recv_ns
        self.continuity.messages += 1

    def _read(self, instrument: Instrument, raw: Raw, recv_ns: int) -> AnyRatio | Reject:
        instrument_id = instrument.instrument_id
        try:
            row = _decode_row(raw)
            if row.symbol not in (None, instrument_id):
                return Reject(MALFORMED, f"{instrument_id}: the row is of {row.symbol!r}")
            return self._normalised(instrument, row, recv_ns)
        except (*UNDECODABLE, MalformedNumber) as error:
            return Reject(MALFORMED, f"{instrument_id}: {error}")

    def _normalised(self, instrument: Instrument, row: _Row, recv_ns: int) -> AnyRatio:
        where = place(instrument, row.timestamp, recv_ns)
        ratio = amount(row.long_short_ratio)
        long, short = row.shares()
        if self.data_type == "lsr_top_position":
            return TopPositionRatio(
                **where,
                long_short_ratio=ratio,
                long_position_ratio=long,
                short_position_ratio=short,
                period=self.period,
            )
        return AllAccountRatio(
            **where,
            long_short_ratio=ratio,
            long_account_ratio=long,
            short_account_ratio=short,
            period=self.period,
        )
