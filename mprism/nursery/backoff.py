"""How long to wait before trying again. Pure: randomness is passed in."""

from collections.abc import Callable
from dataclasses import dataclass
from random import random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: anything from 0 to a bound that doubles with each attempt up to a cap.

    Full jitter keeps many clients of one exchange from coming back in step.
    """

    first_seconds: float
    cap_seconds: float
    uniform: Callable[[], float] = random  # from 0 up to, not including, 1

    def bound(self, attempt: int) -> float:
        """The longest wait before attempt `attempt`, counted from 0."""
        # The exponent is bounded because a float is: attempts go on for months.
        return min(self.cap_seconds, self.first_seconds * 2.0 ** min(attempt, 64))

    def delay(self, attempt: int) -> float:
        """Seconds to wait before attempt `attempt`, counted from 0."""
        return self.uniform() * self.bound(attempt)
