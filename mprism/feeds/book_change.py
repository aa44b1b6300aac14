"""Messages of a book's channel in no exchange's words, and joining them with REST's snapshot.

An exchange may leave the snapshot out that its channel should begin with. Then updates wait
for one from REST, which joins them where `previous_id <= snapshot's id < last_id` (OKX's rule
of 2026). A snapshot may be older than the updates, or ahead of them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from msgspec import Raw

from mprism.feeds.book import OrderBook

_WAITING_UPDATES: Final = 1_000
_CLOCKS_NS: Final = 1_000_000_000  # by which the exchange's own clocks may differ


@dataclass(frozen=True, slots=True)
class BookChange:
    """One snapshot or update. Its times are the exchange's, in ns.

    `previous_id` is None where the exchange does not tell it; then `is_right` must say whether
    the book is right once the change is applied. Levels are JSON of `[price, quantity]`.
    """

    is_snapshot: bool
    previous_id: int | None
    last_id: int
    ts_event: int
    bids: Raw
    asks: Raw
    is_right: Callable[[OrderBook], bool] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed. Levels that are no array are something."""
        return all(b"".join(bytes(side).split()) == b"[]" for side in (self.bids, self.asks))


Received = tuple[BookChange, int]
"""A change and when it was received, ns."""


class StaleSnapshot(Exception):
    """The snapshot is older than the updates: a newer one is needed."""


class Splice:
    """Updates that wait for a snapshot, and the snapshot once it is there."""

    def __init__(self) -> None:
        self._updates: deque[Received] = deque(maxlen=_WAITING_UPDATES)
        self._snapshot: Received | None = None

    def add(self, update: BookChange, recv_ns: int) -> None:
        """An update has come. Its `previous_id` is known."""
        self._updates.append((update, recv_ns))

    def offer(self, snapshot: BookChange, recv_ns: int) -> None:
        """A snapshot has come."""
        self._snapshot = snapshot, recv_ns

    def joined(self) -> list[Received]:
        """The snapshot and the updates that go beyond it, as if each followed the one before.

        Empty while one waits for the other. Raises StaleSnapshot and forgets the snapshot.
        """
        if self._snapshot is None:
            return []
        snapshot, _ = self._snapshot
        self._drop_before(snapshot)
        if not self._updates:
            return []  # the snapshot is ahead of the stream
        first, recv_ns = self._updates[0]
        if first.last_id == snapshot.last_id:
            self._updates.popleft()
        else:
            # It may begin before the snapshot: what it repeats does no harm.
            self._updates[0] = replace(first, previous_id=snapshot.last_id), recv_ns
        return [self._snapshot, *self._updates]

    def _drop_before(self, snapshot: BookChange) -> None:
        """Drop updates that the snapshot holds. Raises StaleSnapshot.

        Ids may begin anew at lower ones: where times say the opposite of ids, times are right.
        """
        while self._updates:
            update, _ = self._updates[0]
            if update.last_id < snapshot.last_id:
                is_stale = update.ts_event > snapshot.ts_event + _CLOCKS_NS
            elif snapshot.last_id < (update.previous_id or 0):
                is_stale = snapshot.ts_event <= update.ts_event + _CLOCKS_NS
            else:
                return
            if is_stale:
                self._snapshot = None
                raise StaleSnapshot
            self._updates.popleft()
