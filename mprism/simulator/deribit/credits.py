"""Credits, with which Deribit limits requests: each costs some, and they come back steadily.

There are three pools with one refill rate, told apart by the method. One client address has
them for all its connections and REST requests together. `now` is in seconds on any clock.
"""

from mprism.simulator.rules import Rules

_EXPENSIVE = {
    "public/subscribe": "subscribe",
    "public/unsubscribe": "subscribe",
    "public/unsubscribe_all": "subscribe",
    "public/get_instruments": "get_instruments",
}
_COSTS = {"": 500, "subscribe": 3_000, "get_instruments": 10_000}
_SIZES = {"": 1.0, "subscribe": 0.6, "get_instruments": 10.0}  # pools, in sizes of the first


class Credits:
    """What one client has left. `Rules.weight_limit` is the size of the default pool.

    A pool of that size is full again after `Rules.weight_window`.
    """

    def __init__(self, rules: Rules) -> None:
        self._refill = rules.weight_limit / rules.weight_window
        self._sizes = {pool: rules.weight_limit * share for pool, share in _SIZES.items()}
        self._left = dict(self._sizes)
        self._seen: dict[str, float] = {}

    def charge(self, method: str, now: float) -> bool:
        """Count a request; False if it must be refused, which costs nothing."""
        pool = _EXPENSIVE.get(method, "")
        gained = (now - self._seen.get(pool, now)) * self._refill
        left = min(self._sizes[pool], self._left[pool] + gained)
        self._seen[pool] = now
        enough = left >= _COSTS[pool]
        self._left[pool] = left - _COSTS[pool] if enough else left
        return enough
