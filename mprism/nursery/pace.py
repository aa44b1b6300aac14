"""When a poll asks next: in step with the exchange's clock, slower while it is throttled. Pure."""

from dataclasses import dataclass
from math import floor

_SLOWEST = 16  # times the period


@dataclass(slots=True)
class Pace:
    """Rounds at multiples of `period_seconds` since the epoch, each `offset_seconds` later.

    The offset keeps the polls of one exchange, and collectors, from asking all at once.
    """

    period_seconds: float
    offset_seconds: float
    factor: int = 1  # periods a round

    def next_at(self, now: float) -> float:
        """The Unix time of the next round after `now`; rounds that were missed are left out."""
        step = self.period_seconds * self.factor
        return (floor((now - self.offset_seconds) / step) + 1) * step + self.offset_seconds

    def slower(self) -> None:
        """The exchange said that it was too much: half as often, down to a limit."""
        self.factor = min(self.factor * 2, _SLOWEST)

    def faster(self) -> None:
        """A round went well: twice as often, up to the period that is configured."""
        self.factor = max(self.factor // 2, 1)
