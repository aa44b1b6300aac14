"""What an exchange grants an address in a window of time: request weight, requests, connections.

Pure: time is passed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """So much weight in each window of so many seconds."""

    weight: int
    seconds: float = 60.0


@dataclass(slots=True)
class WeightBudget:
    """Our share of the weight of the running window, and any wait that was imposed on us.

    The exchange's own count, read from its answers, overrules ours where it is higher: other
    programs of this address spend from the same pool. Times are Unix seconds, since the
    exchange's minutes are those of the clock.
    """

    limit: int  # weight a window
    share: float  # of the limit that we let ourselves use
    window_seconds: float = 60.0
    used: int = 0
    resume_at: float = 0.0
    _begins: float = 0.0  # the running window
    _ends: float = 0.0

    def delay(self, weight: int, now: float, reserve: float = 0.0) -> float:
        """Seconds to wait before a request of `weight`; 0 to send it now.

        `reserve` is the part of our share that this request must leave to others. A request
        that alone exceeds what it may use is sent in a window of its own.
        """
        self._turn(now)
        wait = max(0.0, self.resume_at - now)
        if self.used and self.used + weight > self.limit * self.share * (1.0 - reserve):
            wait = max(wait, self._ends - now)
        return wait

    def spend(self, weight: int, now: float) -> None:
        """Count a request that is sent now."""
        self._turn(now)
        self.used += weight

    def observe(self, used: int, now: float) -> None:
        """The exchange's count for the running window."""
        self._turn(now)
        self.used = max(self.used, used)

    def pause(self, seconds: float, now: float) -> None:
        """The exchange said to wait so long. A shorter wait never cuts a longer one."""
        self.resume_at = max(self.resume_at, now + seconds)

    def _turn(self, now: float) -> None:
        # Also when the clock was set back.
        if not self._begins <= now < self._ends:
            self._begins = now // self.window_seconds * self.window_seconds
            self._ends = self._begins + self.window_seconds
            self.used = 0


class Budgets:
    """All budgets of one exchange for our address, by pool. Made as they are asked for."""

    def __init__(self, limits: Mapping[str, Limit], share: float) -> None:
        self._limits = dict(limits)
        self._share = share
        self._budgets: dict[str, WeightBudget] = {}
        self._banned_until = 0.0

    def of(self, pool: str) -> WeightBudget:
        """The budget of `pool`. Raises KeyError for one that the exchange does not have."""
        budget = self._budgets.get(pool)
        if budget is None:
            limit = self._limits[pool.partition(":")[0]]
            budget = WeightBudget(limit.weight, self._share, limit.seconds)
            budget.resume_at = self._banned_until
            self._budgets[pool] = budget
        return budget

    def share_at_most(self, share: float) -> None:
        """Somebody else who spends from these budgets wants us to use no more of the limits."""
        self._share = min(self._share, share)
        for budget in self._budgets.values():
            budget.share = self._share

    def set_limit(self, pool: str, limit: Limit) -> None:
        """The exchange has told a limit. What is used up or imposed stays."""
        self._limits[pool] = limit
        for name, budget in self._budgets.items():
            if name.partition(":")[0] == pool:
                budget.limit, budget.window_seconds = limit.weight, limit.seconds

    def ban(self, seconds: float, now: float) -> None:
        """The exchange shuts our address out for so long, whatever we ask for."""
        self._banned_until = max(self._banned_until, now + seconds)
        for budget in self._budgets.values():
            budget.pause(seconds, now)
