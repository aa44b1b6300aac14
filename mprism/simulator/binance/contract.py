"""Everything that USD-M tells of one contract beside its trades and its book.

Streams send a mark price each second and each third second, and liquidations. REST tells
the rest when it is asked. Each value is noted in a tape: what a stream sends when it is made,
what REST tells when it is first told. Delivery contracts have no funding.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from mprism.simulator.binance import truevalues, valuepayloads
from mprism.simulator.binance.feed import UsdmFeed
from mprism.simulator.binance.liquidations import ALL_LIQUIDATIONS, WINDOW_US
from mprism.simulator.binance.markprice import (
    TICK_MS,
    USUAL_FUNDING_HOURS,
    MarkPrice,
    MarkPrices,
    has_funding,
)
from mprism.simulator.binance.noise import Noise
from mprism.simulator.binance.statistics import SHORTEST, Span, Statistics
from mprism.simulator.tape import Outcome
from mprism.simulator.values import Fields, ValueTape
from mprism.simulator.wire import Publication

TICK_US = TICK_MS * 1_000
SLOW_TICK_US = 3 * TICK_US

_RATIOS = {
    "topLongShortPositionRatio": ("lsr_top_position", truevalues.position_ratio),
    "globalLongShortAccountRatio": ("lsr_all_account", truevalues.account_ratio),
}


class Contract:
    """One contract with a market; `now_us` is when that opens."""

    def __init__(
        self,
        feed: UsdmFeed,
        noise: Noise,
        *,
        adjusted_hours: int | None,
        period_ms: int,
        now_us: int,
    ) -> None:
        self.instrument = feed.market.instrument
        hours = (adjusted_hours or USUAL_FUNDING_HOURS) if has_funding(self.instrument) else None
        self._marks = MarkPrices(feed.market, noise, hours, now_us // 1_000)
        self._statistics = Statistics(noise, period_ms)
        self._liquidations = feed.liquidations
        self._stream = f"{self.instrument.symbol.lower()}@"
        kinds = ("funding_rate", "open_interest", "liquidation", *(t for t, _ in _RATIOS.values()))
        self._tapes = {kind: ValueTape(kind, self.instrument.symbol) for kind in kinds}
        self._told: dict[tuple[str, int], int] = {}
        if hours is None:
            del self._tapes["funding_rate"]

    @property
    def values(self) -> Sequence[ValueTape]:
        """The records that this contract goes on writing."""
        return tuple(self._tapes.values())

    @property
    def mark(self) -> MarkPrice:
        """The newest mark price."""
        return self._marks.newest

    def due(self, now_us: int) -> Iterator[Publication]:
        """What is to be sent at this time, in order."""
        if now_us % TICK_US == 0:
            yield from self._mark_prices(now_us)
        if now_us % WINDOW_US == 0:
            yield from self._newest_liquidation(now_us)

    def _mark_prices(self, now_us: int) -> Iterator[Publication]:
        mark = self._marks.tick(now_us // 1_000)
        records = []
        if self._marks.funding_hours is not None:
            tape = self._tapes["funding_rate"]
            fields = truevalues.funding_rate(mark, self._marks.funding_hours)
            records.append((tape, tape.append(mark.time_ms, fields)))
        encode = partial(valuepayloads.mark_price, self.instrument, mark, now_us)
        yield Publication(f"{self._stream}markPrice@1s", encode, records)
        if now_us % SLOW_TICK_US == 0:
            yield Publication(f"{self._stream}markPrice", encode, records)

    def _newest_liquidation(self, now_us: int) -> Iterator[Publication]:
        order = self._liquidations.take()
        if order is None:
            return
        tape = self._tapes["liquidation"]
        index = tape.append(order.time_us // 1_000, truevalues.liquidation(order))
        encode = partial(valuepayloads.force_order, order, now_us)
        for stream in (f"{self._stream}forceOrder", ALL_LIQUIDATIONS):
            yield Publication(stream, encode, [(tape, index)])

    def open_interest(self) -> dict[str, Any]:
        """`openInterest` as it is now."""
        time_ms = self.mark.time_ms
        lots = self._marks.open_interest(time_ms)
        self._tell("open_interest", time_ms, truevalues.open_interest(self.instrument, lots))
        return valuepayloads.open_interest(self.instrument, lots, time_ms)

    def open_interest_history(self, span: Span, now_ms: int) -> list[dict[str, Any]]:
        """The rows of `openInterestHist`."""
        marks = self._marks
        return [
            valuepayloads.open_interest_row(
                self.instrument, marks.open_interest(time_ms), marks.mark_at(time_ms), time_ms
            )
            for time_ms in self._statistics.times("openInterestHist", span, now_ms)
        ]

    def ratios(self, kind: str, span: Span, now_ms: int) -> list[dict[str, Any]]:
        """The rows of one long/short ratio."""
        rows = []
        for time_ms in self._statistics.times(kind, span, now_ms):
            ratio = self._statistics.ratio(kind, time_ms)
            if kind in _RATIOS and span.period == SHORTEST:
                data_type, fields = _RATIOS[kind]
                self._tell(data_type, time_ms, fields(ratio))
            rows.append(valuepayloads.ratio_row(self.instrument, ratio))
        return rows

    def _tell(self, data_type: str, time_ms: int, fields: Fields) -> None:
        """REST gives a value: one record, however often."""
        if (data_type, time_ms) in self._told:
            return
        tape = self._tapes[data_type]
        index = self._told[data_type, time_ms] = tape.append(time_ms, fields)
        tape.note(index, Outcome.CONFIRMED)
