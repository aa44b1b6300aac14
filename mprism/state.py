"""What the collector knows about itself: plain counters and states.

The tasks that do the work write here; health, status and metrics read. Nothing here does
I/O or decides anything. Counters are plain integers because they lie on the way of every
message. Times are Unix seconds, except where a name ends in `_ns`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from time import time

Clock = Callable[[], float]


class Phase(StrEnum):
    """Where the whole process is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class FeedStatus(StrEnum):
    """Where a feed is in its life. Only LIVE means that valid data has arrived."""

    STARTING = "starting"  # instruments are being loaded
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"  # connected, no valid data yet
    LIVE = "live"
    BACKING_OFF = "backing_off"
    THROTTLED = "throttled"  # the exchange told us to wait
    REFUSED = "refused"  # the exchange refuses us; retried rarely
    STOPPED = "stopped"


class BrokerStatus(StrEnum):
    """Whether messages can be stored."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    AWAY = "away"
    STOPPED = "stopped"


@dataclass(slots=True)
class StreamState:
    """One subscribed stream of a feed, by the exchange's name for it."""

    acknowledged: bool = False
    messages: int = 0
    last_recv_ns: int | None = None
    refused: str | None = None  # the exchange's reason for refusing this stream alone
    # Seconds that it may be silent beyond what any stream may; infinite where silence is no sign.
    patience: float = 0.0


@dataclass(slots=True)
class FeedState:
    """One connection's place in the collector. It outlives the connections themselves."""

    name: str
    exchange: str
    endpoint: str
    kind: str = "websocket"
    clock: Clock = time
    status: FeedStatus = FeedStatus.STARTING
    since: float = field(default=0.0)
    down_since: float | None = None  # not LIVE since then, whatever it went through
    reason: str | None = None
    attempts: int = 0  # failed ones since the last valid data
    connects: int = 0
    next_attempt_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    frames: int = 0
    received_bytes: int = 0
    last_frame_at: float | None = None
    last_data_at: float | None = None  # the last valid message; pings and answers do not count
    streams: dict[str, StreamState] = field(default_factory=dict)
    books_live: set[str] = field(default_factory=set)
    books_out: dict[str, str] = field(default_factory=dict)  # symbol -> why it is out of sequence
    resyncs: int = 0
    duplicates: int = 0
    gaps: Counter[str] = field(default_factory=Counter)  # missing ids, by data type
    rejected: Counter[str] = field(default_factory=Counter)  # frames not understood, by reason

    def __post_init__(self) -> None:
        self.since = self.since or self.clock()
        if self.status is not FeedStatus.LIVE:
            self.down_since = self.since

    def enter(self, status: FeedStatus, reason: str | None = None) -> None:
        """Change to `status`; `since` moves only on a real change."""
        if status is not self.status:
            self.since = self.clock()
        if status is FeedStatus.LIVE:
            self.down_since = None
        elif self.down_since is None:
            self.down_since = self.clock()
        self.status = status
        self.reason = reason

    def forget_streams(self) -> None:
        """What the last connection had subscribed to is gone with it."""
        self.streams.clear()
        self.books_live.clear()
        self.books_out.clear()

    def failed(self, error: str) -> None:
        """Note that the connection, or the attempt at one, ended by `error`."""
        self.attempts += 1
        self.last_error = error
        self.last_error_at = self.clock()


@dataclass(slots=True)
class BrokerState:
    """The NATS connection."""

    url: str = ""  # without credentials
    clock: Clock = time
    status: BrokerStatus = BrokerStatus.CONNECTING
    since: float = field(default=0.0)
    down_since: float | None = None  # not CONNECTED since then
    reason: str | None = None
    server_version: str | None = None
    stream: str = ""
    fast_ingest: bool | None = None
    connects: int = 0
    last_error: str | None = None
    last_error_at: float | None = None
    embedded: bool = False
    data_folder: str | None = None

    def __post_init__(self) -> None:
        self.since = self.since or self.clock()
        if self.status is not BrokerStatus.CONNECTED:
            self.down_since = self.since

    def enter(self, status: BrokerStatus, reason: str | None = None) -> None:
        """Change to `status`; `since` moves only on a real change."""
        if status is not self.status:
            self.since = self.clock()
        if status is BrokerStatus.CONNECTED:
            self.down_since = None
        elif self.down_since is None:
            self.down_since = self.clock()
        self.status = status
        self.reason = reason
        if reason is not None:
            self.last_error = reason
            self.last_error_at = self.clock()


# From 100 us, in steps of 2 to the 1/4, to about 100 s: a quantile is true within 19 %.
LATENCY_BOUNDS = tuple(1e-4 * 2 ** (i / 4) for i in range(81))


@dataclass(slots=True)
class Histogram:
    """Durations in seconds, counted by the first bound that is not below them."""

    bounds: tuple[float, ...] = LATENCY_BOUNDS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    count: int = 0
    max: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds
        self.count += 1
        if seconds > self.max:
            self.max = seconds

    def quantile(self, q: float) -> float | None:
        """The upper bound of the bucket that holds quantile `q`; None when empty."""
        if not self.count:
            return None
        rank = q * self.count
        seen = 0
        for bound, n in zip(self.bounds, self.counts, strict=False):
            seen += n
            if seen >= rank:
                return min(bound, self.max)
        return self.max


@dataclass(slots=True)
class Delivery:
    """One subject group's delivery: exchange, market and data type."""

    received: int = 0  # events handed to the publisher
    published: int = 0  # messages acknowledged by the broker
    last_recv_ns: int | None = None
    last_event_ns: int | None = None


Coverage = tuple[str, str, str]
"""(exchange, market_type, data_type)"""


@dataclass(slots=True)
class PublisherState:
    """The way from the channel to the broker."""

    backlog_messages: int = 0  # waiting, not in flight
    backlog_bytes: int = 0
    backlog_limit_bytes: int = 0
    oldest_recv_ns: int | None = None  # of all that is not acknowledged
    bursts_in_flight: int = 0
    messages_in_flight: int = 0
    bursts: int = 0  # acknowledged
    acknowledged: int = 0  # messages
    resent: int = 0  # messages sent again after a failure
    duplicates: int = 0  # messages that the stream already had, as far as the broker tells
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)  # (reason, data type)
    deliveries: dict[Coverage, Delivery] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)  # receive to acknowledgement


@dataclass(slots=True)
class CollectorState:
    """Everything that the HTTP interface shows."""

    version: str
    configuration: dict[str, object]  # in force, secrets masked
    clock: Clock = time
    phase: Phase = Phase.STARTING
    phase_since: float = field(default=0.0)
    started_at: float = field(default=0.0)
    feeds: dict[str, FeedState] = field(default_factory=dict)
    broker: BrokerState = field(default_factory=BrokerState)
    publisher: PublisherState = field(default_factory=PublisherState)

    def __post_init__(self) -> None:
        self.started_at = self.started_at or self.clock()
        self.phase_since = self.phase_since or self.started_at

    def enter(self, phase: Phase) -> None:
        """Change to `phase`."""
        if phase is not self.phase:
            self.phase = phase
            self.phase_since = self.clock()
