"""Request weights of one IP address, 429 and 418 (Binance, "General API information").

Weight is counted in windows of a fixed length. Above the limit every request is answered
429 until the window ends; whoever goes on asking is banned and gets 418. `now` is in
seconds on any one clock.
"""

from math import ceil
from typing import NamedTuple

from mprism.simulator.rules import Rules


class Limited(NamedTuple):
    """A request is refused with this status; the client must wait so many seconds."""

    status: int
    retry_after: int


class RequestLimits:
    """The limits of one market, with what one client has used of them."""

    def __init__(self, rules: Rules) -> None:
        self.used_weight = 0
        self._rules = rules
        self._window_ends = 0.0
        self._throttled_until = 0.0
        self._banned_until = 0.0
        self._breaches = 0  # since the last request that was not refused
        self._told = False  # a 429 was sent since then
        self.breaches = 0  # in all

    def charge(self, weight: int, now: float) -> Limited | None:
        """Count a request; None if it may be answered."""
        if now >= self._window_ends:
            self.used_weight = 0
            self._window_ends = now + self._rules.weight_window
        if now < self._banned_until:
            return Limited(418, _whole_seconds(self._banned_until - now))
        self.used_weight += weight
        if now < self._throttled_until:
            return self._refuse(now)
        self._told = False
        self._breaches = 0
        if self.used_weight > self._rules.weight_limit:
            self.throttle(self._window_ends - now, now)
            return self._refuse(now)
        return None

    def throttle(self, seconds: float, now: float) -> None:
        """Answer 429 for so long."""
        self._throttled_until = now + seconds

    def ban(self, seconds: float, now: float) -> None:
        """Answer 418 for so long."""
        self._banned_until = now + seconds

    def _refuse(self, now: float) -> Limited:
        self._breaches += self._told
        self.breaches += self._told
        self._told = True
        if self._breaches > self._rules.breaches_before_ban:
            self.ban(self._rules.ban_seconds, now)
            return Limited(418, self._rules.ban_seconds)
        return Limited(429, _whole_seconds(self._throttled_until - now))


def _whole_seconds(seconds: float) -> int:
    return max(1, ceil(seconds))
