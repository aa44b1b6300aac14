"""Request limits of one IP address, 429 and 418 (Binance, "General API information").

Weight is counted in windows of a fixed length. Above the limit every request is answered
429 until the window ends; whoever goes on asking is banned and gets 418. Some endpoints cost
no weight but are counted in a pool of their own; above its limit only they are refused.
`now` is in seconds on any one clock.
"""

from math import ceil
from typing import Literal, NamedTuple

from mprism.simulator.rules import Rules

Pool = Literal["statistics", "funding"]


class Limited(NamedTuple):
    """A request is refused with this status; the client must wait so many seconds.

    `limit` is what it broke, as the exchange puts it.
    """

    status: int
    retry_after: int
    limit: str


class _Hold:
    """A time in which requests are refused, and how a client takes it."""

    def __init__(self) -> None:
        self.until = 0.0
        self.told = False  # a 429 was sent in it
        self.breaches = 0  # requests after that
        self.limit = ""

    def forget(self) -> None:
        self.told = False
        self.breaches = 0


class _Window:
    """What was used since a window began. Above the limit it puts `hold` into force."""

    def __init__(self, limit: int, seconds: float, unit: str, hold: _Hold) -> None:
        self.used = 0
        self.hold = hold
        self._limit = limit
        self._seconds = seconds
        self._unit = unit
        self._ends = 0.0

    def spend(self, cost: int, now: float) -> None:
        if now >= self._ends:
            self.used = 0
            self._ends = now + self._seconds
        self.used += cost

    def check(self) -> None:
        if self.used > self._limit:
            self.hold.until = self._ends
            self.hold.limit = f"{self._limit} {self._unit}"


class RequestLimits:
    """The limits of one market, with what one client has used of them."""

    def __init__(self, rules: Rules) -> None:
        self.breaches = 0  # in all
        self._rules = rules
        self._everything = _Hold()
        self._weight = _Window(
            rules.weight_limit, rules.weight_window, "requests per minute", self._everything
        )
        limits: dict[Pool, int] = {
            "statistics": rules.statistics_limit,
            "funding": rules.funding_limit,
        }
        self._pools = {
            pool: _Window(limit, rules.pool_window, "requests per 5 minutes", _Hold())
            for pool, limit in limits.items()
        }
        self._banned_until = 0.0

    @property
    def used_weight(self) -> int:
        """The weight that was used in this window."""
        return self._weight.used

    def charge(self, weight: int, now: float, pool: Pool | None = None) -> Limited | None:
        """Count a request, also in `pool` if it has one; None if it may be answered."""
        banned = now < self._banned_until
        windows = [self._weight] if pool is None else [self._weight, self._pools[pool]]
        for window, cost in zip(windows, (weight, 1), strict=False):
            window.spend(0 if banned else cost, now)
        if banned:
            return Limited(418, _whole_seconds(self._banned_until - now), "")
        for window in windows:
            if now < window.hold.until:
                return self._refuse(window.hold, now)
            window.hold.forget()
            window.check()
            if now < window.hold.until:
                return self._refuse(window.hold, now)
        return None

    def throttle(self, seconds: float, now: float) -> None:
        """Answer 429 for so long."""
        self._everything.until = now + seconds
        self._everything.limit = f"{self._rules.weight_limit} requests per minute"

    def ban(self, seconds: float, now: float) -> None:
        """Answer 418 for so long."""
        self._banned_until = now + seconds

    def _refuse(self, hold: _Hold, now: float) -> Limited:
        hold.breaches += hold.told
        self.breaches += hold.told
        hold.told = True
        if hold.breaches > self._rules.breaches_before_ban:
            # Who is banned was told of that alone, and may ask once when it is over.
            hold.forget()
            self.ban(self._rules.ban_seconds, now)
            return Limited(418, self._rules.ban_seconds, hold.limit)
        return Limited(429, _whole_seconds(hold.until - now), hold.limit)


def _whole_seconds(seconds: float) -> int:
    return max(1, ceil(seconds))
