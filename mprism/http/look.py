"""One look at the collector: what every check is made of, and the words of the verdict.

"Grace" is `http.grace_seconds`, "start grace" is `http.start_grace_seconds`.

- A feed is down when it is refused or stopped, or when it is not live for longer than the
  grace. A feed that has never had valid data has the start grace instead.
- The broker is away when it is not connected for longer than the grace. A broker that was
  never reached has the start grace instead.
- Delivery is stalled when the broker is connected, some message waits for longer than the
  grace, and nothing at all was acknowledged for that long. A queue that is being worked off
  is not stalled, however old its head.
"""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from mprism.http.history import History
from mprism.http.instant import NS_PER_SECOND, age, stamp
from mprism.settings import HttpSettings
from mprism.state import BrokerStatus, CollectorState, FeedState, FeedStatus


class Status(StrEnum):
    """A verdict, best first."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Check(Struct, frozen=True, kw_only=True):
    """One check's outcome. `since` is RFC 3339; both times are null where they are not known."""

    name: str
    status: Status
    reason: str | None
    since: str | None
    for_seconds: float | None


class Look(NamedTuple):
    """Everything a check may depend on. `now` is in Unix seconds."""

    state: CollectorState
    settings: HttpSettings
    now: float
    history: History

    def check(
        self, name: str, status: Status, reason: str | None = None, since: float | None = None
    ) -> Check:
        """The outcome of the check `name`."""
        return Check(
            name=name,
            status=status,
            reason=reason,
            since=stamp(since),
            for_seconds=age(since, self.now),
        )

    def lasts(self, since: float | None, seconds: float) -> bool:
        """Whether what began at `since` has lasted for more than `seconds`."""
        return since is not None and self.now - since > seconds

    def feed_is_down(self, feed: FeedState) -> bool:
        """Whether `feed` is out of service, not merely starting or reconnecting."""
        if feed.status in (FeedStatus.REFUSED, FeedStatus.STOPPED):
            return True
        never_live = feed.last_data_at is None
        settings = self.settings
        grace = settings.start_grace_seconds if never_live else settings.grace_seconds
        return self.lasts(feed.down_since, grace)

    def broker_is_away(self) -> bool:
        """Whether the broker is gone, not merely starting or reconnecting."""
        broker = self.state.broker
        if broker.status is BrokerStatus.STOPPED:
            return True
        settings = self.settings
        grace = settings.grace_seconds if broker.connects else settings.start_grace_seconds
        return self.lasts(broker.down_since, grace)

    def oldest_since(self) -> float | None:
        """When the oldest message that still waits was received; None when none does."""
        oldest_ns = self.state.publisher.oldest_recv_ns
        return None if oldest_ns is None else oldest_ns / NS_PER_SECOND

    def stalled_since(self) -> float | None:
        """Since when delivery is stalled; None when it is not."""
        oldest = self.oldest_since()
        progress = self.history.unacknowledged_since(self.state)
        if self.state.broker.down_since is not None or oldest is None or progress is None:
            return None
        # Neither a message that has just come nor a quiet market is a stall.
        since = max(oldest, progress)
        return since if self.lasts(since, self.settings.grace_seconds) else None
