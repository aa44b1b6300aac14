"""Price levels of one book, and what of them can be trusted.

Levels keep the exchange's own strings. They are found and ordered by the price as a float,
which is exact enough to tell apart prices of up to 15 significant digits and makes "0.10"
and "0.1" the same level.

An exchange keeps only a window of each side true: a snapshot holds so many levels, and a
level that leaves the window is never deleted by an update, so it would come back wrong when
the market does. Each side therefore has an edge, the worst price up to which it is known to
be complete. The edge only moves towards the market, until the next snapshot; levels behind
it are never published and are cut off when enough have gathered.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import chain
from typing import Final

from msgspec import Struct, ValidationError, convert

from mprism.schema import Level

# Signs, exponents, NaN, infinity, blanks and underscores, all of which float() takes, are not
# decimals of an exchange.
_DECIMAL: Final = re.compile(r"[0-9.]+", re.ASCII).fullmatch
_SLACK: Final = 4  # levels behind the edge may reach a quarter of the window before the cut


def is_amount(text: str) -> bool:
    """Whether `text` is a plain decimal above zero, as a price or a traded quantity must be."""
    if not _DECIMAL(text):
        return False
    try:
        return float(text) > 0.0
    except ValueError:
        return False


class MalformedLevels(ValueError):
    """A price or quantity is not a plain decimal, or a price is not above zero."""


Change = tuple[float, float, Level]
"""One parsed level: price and quantity as floats, and the level itself."""


class _Amounts(Struct, gc=False):
    levels: list[tuple[float, float]]


def parse_levels(levels: Sequence[Level]) -> list[Change]:
    """Check and parse levels. Raises MalformedLevels naming the first bad one."""
    if not levels:
        return []
    try:
        if _DECIMAL("".join(chain.from_iterable(levels))):
            amounts = _amounts(levels)
            if min(amounts)[0] > 0.0:
                return [(p, q, level) for (p, q), level in zip(amounts, levels, strict=True)]
    except ValueError:
        pass
    raise MalformedLevels(f"not a price level: {_first_bad(levels)!r}")


def _amounts(levels: Sequence[Level]) -> list[tuple[float, float]]:
    try:
        # A quarter of the time that float() takes for each.
        return convert({"levels": levels}, _Amounts, strict=False).levels
    except ValidationError:
        # JSON knows neither ".5" nor "5.", which are decimals too.
        return [(float(price), float(quantity)) for price, quantity in levels]


def _first_bad(levels: Sequence[Level]) -> Level:
    for level in levels:
        try:
            plain = all(_DECIMAL(text) for text in level)
            if not plain or float(level[0]) <= 0.0 or float(level[1]) < 0.0:
                return level
        except ValueError:
            return level
    raise AssertionError("every level is well-formed")  # the caller saw a bad one


class Side:
    """The bids or the asks. Keys are prices, negated for bids: the best has the least key."""

    __slots__ = ("_edge", "_keys", "_levels", "_sign", "_window")

    def __init__(self, sign: float, window: int) -> None:
        self._sign = sign
        self._window = window
        self._keys: list[float] = []
        self._levels: dict[float, Level] = {}
        self._edge: float | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def reset(self, changes: Sequence[Change], limit: int) -> None:
        """Begin anew from a snapshot of at most `limit` levels."""
        self._levels = {change[0] * self._sign: change[2] for change in changes if change[1]}
        self._keys = sorted(self._levels)
        # A full answer was cut there; a shorter one is the whole side.
        self._edge = self._keys[-1] if len(changes) >= limit and self._keys else None
        self._bound()

    def apply(self, changes: Sequence[Change]) -> None:
        """Set each level to its quantity; quantity zero removes it, known or not."""
        keys, levels, sign = self._keys, self._levels, self._sign
        for price, quantity, level in changes:
            key = price * sign
            if quantity:
                if key not in levels:
                    insort(keys, key)
                levels[key] = level
            elif levels.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]
        if len(keys) >= self._window:
            self._bound()

    def _bound(self) -> None:
        keys, window = self._keys, self._window
        # A full window is not the whole side: nothing tells of a level that comes behind it.
        if len(keys) < window:
            return
        last = keys[window - 1]
        if self._edge is None or last < self._edge:
            self._edge = last
        if len(keys) > window + window // _SLACK:
            for key in keys[window:]:
                del self._levels[key]
            del keys[window:]

    @property
    def best(self) -> Level | None:
        """The best level, None when the side is empty or nothing of it can be trusted."""
        keys = self._keys
        if not keys or (self._edge is not None and keys[0] > self._edge):
            return None
        return self._levels[keys[0]]

    def trusted(self) -> int:
        """How many levels lie inside the edge, from the best on."""
        if self._edge is None:
            return len(self._keys)
        # The edge itself is inside.
        at = bisect_left(self._keys, self._edge)
        return at + (at < len(self._keys) and self._keys[at] == self._edge)

    @property
    def complete(self) -> bool:
        """Whether the whole side is known, so that it may be short of levels by itself."""
        return self._edge is None

    def top(self, depth: int) -> list[Level]:
        """The best `depth` levels that can be trusted, best first."""
        return list(map(self._levels.__getitem__, self._keys[: min(depth, self.trusted())]))


class OrderBook:
    """Both sides of one instrument's book.

    `window` is how many levels a side the exchange keeps true.
    """

    __slots__ = ("asks", "bids")

    def __init__(self, window: int) -> None:
        self.bids = Side(-1.0, window)
        self.asks = Side(1.0, window)

    def reset(self, bids: Sequence[Level], asks: Sequence[Level], limit: int) -> None:
        """Begin anew from a snapshot that was asked for with `limit` levels a side.

        Raises MalformedLevels and leaves the book as it was.
        """
        bid_changes, ask_changes = parse_levels(bids), parse_levels(asks)
        self.bids.reset(bid_changes, limit)
        self.asks.reset(ask_changes, limit)

    def apply(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Apply one update. Raises MalformedLevels and leaves the book as it was."""
        changes = parse_levels([*bids, *asks])
        self.bids.apply(changes[: len(bids)])
        self.asks.apply(changes[len(bids) :])

    def reaches(self, depth: int) -> bool:
        """Whether the best `depth` levels of both sides are known, or all that there are."""
        return all(side.complete or side.trusted() >= depth for side in (self.bids, self.asks))
