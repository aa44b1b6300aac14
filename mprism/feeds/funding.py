"""When a funding rate is published: exchanges push it far more often than it changes."""

from dataclasses import dataclass, field
from typing import Final

from mprism.schema import FundingRate

_NS_PER_SECOND: Final = 1_000_000_000


@dataclass(slots=True)
class FundingRates:
    """The rate of each instrument that was last published."""

    _published: dict[str, FundingRate] = field(default_factory=dict)

    def is_news(self, event: FundingRate, repeat_seconds: float) -> bool:
        """Whether to publish `event`, which then counts as published.

        A rate, an estimate, a time or an interval that changed is news, and so is anything
        `repeat_seconds` of the exchange's time after the last news. Older events are none.
        """
        last = self._published.get(event.instrument_id)
        if last is not None:
            elapsed = (event.ts_event - last.ts_event) / _NS_PER_SECOND
            # So much older means that the time of the last one was wrong.
            is_near = -repeat_seconds < elapsed < repeat_seconds
            if is_near and (elapsed <= 0 or _terms(event) == _terms(last)):
                return False
        self._published[event.instrument_id] = event
        return True


def _terms(event: FundingRate) -> tuple[str | int | None, ...]:
    return (
        event.current_funding_rate,
        event.estimated_funding_rate,
        event.next_funding_time,
        event.funding_interval_hours,
    )
