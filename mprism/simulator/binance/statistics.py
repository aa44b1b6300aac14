"""The statistics of `/futures/data`: which points exist, when they can be had, and their values.

A point belongs to the end of its period and can be had a little later. Its values depend on
its time alone, so that every request, also one about the past, gets the same. The shortest
period may really last for less than its name says; the others are multiples of it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mprism.simulator.binance.noise import Noise

RATIO_KINDS = (
    "topLongShortPositionRatio",
    "topLongShortAccountRatio",
    "globalLongShortAccountRatio",
)

PERIODS: Mapping[str, int] = {
    "5m": 1,
    "15m": 3,
    "30m": 6,
    "1h": 12,
    "2h": 24,
    "4h": 48,
    "6h": 72,
    "12h": 144,
    "1d": 288,
}
"""How many of the shortest period each is."""

SHORTEST = "5m"
KEPT_MS = 30 * 86_400_000
DEFAULT_POINTS = 30
MOST_POINTS = 500
WHOLE = 10_000  # shares are told to four places


class Span(NamedTuple):
    """What a request asks for; times are inclusive."""

    period: str
    limit: int
    start_ms: int | None
    end_ms: int | None


class Ratio(NamedTuple):
    """Long and short shares in parts of `WHOLE`, both above zero."""

    time_ms: int
    long: int
    short: int

    def text(self) -> str:
        """Long over short, to four places."""
        return f"{self.long / self.short:.4f}"


class Statistics:
    """The statistics of one symbol; `period_ms` is the real length of the shortest period."""

    def __init__(self, noise: Noise, period_ms: int) -> None:
        self._noise = noise
        self._period_ms = period_ms

    def times(self, kind: str, span: Span, now_ms: int) -> list[int]:
        """The points that can be had, ascending.

        From `start_ms` on the first ones are given, and without it the newest.
        """
        step = self._period_ms * PERIODS[span.period]
        end_ms = now_ms if span.end_ms is None else min(now_ms, span.end_ms)
        last = end_ms // step
        while last * step + self._delay_ms(kind, last * step) > now_ms:
            last -= 1
        first = last - span.limit + 1
        if span.start_ms is not None:
            first = -(-span.start_ms // step)
            last = min(last, first + span.limit - 1)
        return [n * step for n in range(first, last + 1)]

    def _delay_ms(self, kind: str, time_ms: int) -> int:
        """How long after the end of its period a point can be had: up to 2/5 of the shortest."""
        return int(self._period_ms * (0.25 + 0.15 * self._noise.at(f"{kind}-delay", time_ms)))

    def ratio(self, kind: str, time_ms: int) -> Ratio:
        """One point of long/short shares: around even, with each side ahead at times."""
        n = time_ms // self._period_ms
        lean = 0.12 * self._noise.smooth(kind, n, 5) + 0.05 * self._noise.at(kind, n)
        long = int(WHOLE * (0.5 + lean))
        return Ratio(time_ms, long, WHOLE - long)


def share_text(parts: int) -> str:
    """A share of a whole, e.g. 4924 is "0.4924"."""
    return f"{parts / WHOLE:.4f}"
