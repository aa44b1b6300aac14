"""How often each REST endpoint may be asked (OKX v5, "Rate limits"): so many in two seconds.

A limit counts by endpoint, and by the instrument or the instrument type where the document
says so. There are no headers about it and no ban. `now` is in seconds on any one clock.
"""

from collections import deque

from mprism.simulator.rules import Rules

Key = tuple[str, str]
"""Endpoint, and the value of the parameter that is counted apart."""


class RequestLimits:
    """What one client has asked. `rules.weight_limit` lowers every documented limit to it."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._asked: dict[Key, deque[float]] = {}
        self._throttled_until = float("-inf")

    def admits(self, key: Key, limit: int, now: float) -> bool:
        """Count a request; False if it must be refused. Refused ones do not count."""
        if now < self._throttled_until:
            return False
        limit = min(limit, self._rules.weight_limit)
        asked = self._asked.setdefault(key, deque(maxlen=limit))
        if len(asked) == limit and now - asked[0] < self._rules.weight_window:
            return False
        asked.append(now)
        return True

    def throttle(self, seconds: float, now: float) -> None:
        """Refuse everything for so long."""
        self._throttled_until = now + seconds
