"""The request weight that an exchange grants an address per minute. Pure: time is passed in."""

from dataclasses import dataclass

_WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class WeightBudget:
    """Our share of the weight of the running minute, and any wait that was imposed on us.

    The exchange's own count, read from its answers, overrules ours where it is higher: other
    programs of this address spend from the same pool. Times are Unix seconds, since the
    exchange's minutes are those of the clock.
    """

    limit: int  # weight a minute
    share: float  # of the limit that we let ourselves use
    used: int = 0
    resume_at: float = 0.0
    _minute: int = -1

    def delay(self, weight: int, now: float) -> float:
        """Seconds to wait before a request of `weight`; 0 to send it now.

        A request that alone exceeds our share is sent in a minute of its own.
        """
        self._turn(now)
        wait = max(0.0, self.resume_at - now)
        if self.used and self.used + weight > self.limit * self.share:
            wait = max(wait, (self._minute + 1) * _WINDOW_SECONDS - now)
        return wait

    def spend(self, weight: int, now: float) -> None:
        """Count a request that is sent now."""
        self._turn(now)
        self.used += weight

    def observe(self, used: int, now: float) -> None:
        """The exchange's count for the running minute."""
        self._turn(now)
        self.used = max(self.used, used)

    def pause(self, seconds: float, now: float) -> None:
        """The exchange said to wait so long. A shorter wait never cuts a longer one."""
        self.resume_at = max(self.resume_at, now + seconds)

    def _turn(self, now: float) -> None:
        minute = int(now // _WINDOW_SECONDS)
        if minute != self._minute:
            self._minute, self.used = minute, 0
