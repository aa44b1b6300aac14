"""Price levels of one book, and what of them can be trusted.

Levels keep the exchange's own text. They are found and ordered by the price as a float,
which is exact enough to tell apart prices of up to 15 significant digits and makes "0.10"
and "0.1" the same level.

An exchange keeps only a window of each side true: a snapshot holds so many levels, and a
level that leaves the window is never deleted by an update, so it would come back wrong when
the market does. Each side therefore has an edge, the worst price up to which it is known to
be complete. The edge only moves towards the market, until the next snapshot; levels behind
it are never published and are cut off when enough have gathered.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from mprism.feeds.levels import AnyLevels, Change, level_of, parse_levels
from mprism.schema import Level, Levels

_SLACK: Final = 4  # levels behind the edge may reach a quarter of the window before the cut


class Side:
    """The bids or the asks. Keys are prices, negated for bids: the best has the least key."""

    __slots__ = ("_best", "_best_level", "_edge", "_kept", "_keys", "_levels", "_sign", "_window")

    def __init__(self, sign: float, window: int, kept: bool) -> None:
        self._sign = sign
        self._window = window
        self._kept = kept
        self._keys: list[float] = []
        self._levels: list[bytes] = []  # in the order of the keys
        self._best = b""  # the level that `_best_level` was read from
        self._best_level: Level | None = None
        self._edge: float | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def reset(self, changes: Sequence[Change], limit: int) -> None:
        """Begin anew from a snapshot of at most `limit` levels."""
        levels = {price * self._sign: text for (price, quantity), text in changes if quantity}
        self._keys = sorted(levels)
        self._levels = [levels[key] for key in self._keys]
        # A full answer was cut there; a shorter one is the whole side.
        is_cut = not self._kept and len(changes) >= limit and self._keys
        self._edge = self._keys[-1] if is_cut else None
        self._bound()

    def apply(self, changes: Sequence[Change]) -> None:
        """Set each level to its quantity; quantity zero removes it, known or not."""
        keys, levels, sign = self._keys, self._levels, self._sign
        for (price, quantity), text in changes:
            key = price * sign
            at = bisect_left(keys, key)
            if at == len(keys) or keys[at] != key:
                if quantity:
                    keys.insert(at, key)
                    levels.insert(at, text)
            elif quantity:
                levels[at] = text
            else:
                del keys[at], levels[at]
        if len(keys) >= self._window:
            self._bound()

    def _bound(self) -> None:
        keys, window = self._keys, self._window
        # A full window is not the whole side: nothing tells of a level that comes behind it.
        if len(keys) < window:
            return
        last = keys[window - 1]
        if not self._kept and (self._edge is None or last < self._edge):
            self._edge = last
        if len(keys) > window + window // _SLACK:
            del keys[window:], self._levels[window:]

    @property
    def best(self) -> Level | None:
        """The best level, None when the side is empty or nothing of it can be trusted."""
        keys = self._keys
        if not keys or (self._edge is not None and keys[0] > self._edge):
            return None
        best = self._levels[0]
        if best is not self._best:
            self._best, self._best_level = best, level_of(best)
        return self._best_level

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

    def levels(self, depth: int) -> list[bytes]:
        """The best `depth` levels that can be trusted, best first, as JSON without brackets."""
        return self._levels[: min(depth, self.trusted())]

    def top(self, depth: int) -> Levels:
        """The same as one sequence of levels."""
        return Levels.joined(self.levels(depth))


class OrderBook:
    """Both sides of one instrument's book.

    `window` is how many levels a side the exchange keeps true. `kept` says that it does so by
    updates alone: it adds the level that comes into the window and removes the one that leaves.
    """

    __slots__ = ("asks", "bids")

    def __init__(self, window: int, kept: bool = False) -> None:
        self.bids = Side(-1.0, window, kept)
        self.asks = Side(1.0, window, kept)

    def reset(self, bids: AnyLevels, asks: AnyLevels, limit: int) -> None:
        """Begin anew from a snapshot that was asked for with `limit` levels a side.

        Raises MalformedLevels and leaves the book as it was.
        """
        bid_changes, ask_changes = parse_levels(bids), parse_levels(asks)
        self.bids.reset(bid_changes, limit)
        self.asks.reset(ask_changes, limit)

    def apply(self, bids: AnyLevels, asks: AnyLevels) -> tuple[list[Change], list[Change]]:
        """Apply one update; returns it as it was read.

        Raises MalformedLevels and leaves the book as it was.
        """
        bid_changes, ask_changes = parse_levels(bids), parse_levels(asks)
        if bid_changes:
            self.bids.apply(bid_changes)
        if ask_changes:
            self.asks.apply(ask_changes)
        return bid_changes, ask_changes

    def reaches(self, depth: int) -> bool:
        """Whether the best `depth` levels of both sides are known, or all that there are."""
        return all(side.complete or side.trusted() >= depth for side in (self.bids, self.asks))
