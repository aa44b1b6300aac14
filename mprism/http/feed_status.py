"""What `/status` says of each feed."""

from msgspec import Struct

from mprism.http.history import Rates
from mprism.http.instant import age, stamp
from mprism.state import FeedState, FeedStatus


class FeedLine(Struct, frozen=True, kw_only=True):
    """One feed. `since` is of its state, `down_since` of its last being live, null while it is.

    `breaker_open`: the exchange refused us, so we try only rarely.
    """

    name: str
    exchange: str
    state: FeedStatus
    since: str | None
    for_seconds: float | None
    down_since: str | None
    down_for_seconds: float | None
    reason: str | None
    failed_attempts: int
    next_attempt: str | None
    next_attempt_in_seconds: float | None
    breaker_open: bool
    last_data_age_seconds: float | None
    frames: int
    frames_per_second: float | None
    received_bytes: int
    bytes_per_second: float | None
    duplicates: int
    gaps: dict[str, int]
    rejected: dict[str, int]
    resyncs: int
    books_live: list[str]
    books_out_of_sequence: dict[str, str]


def feed_line(feed: FeedState, rates: Rates) -> FeedLine:
    """`feed` as it is at the time of `rates`."""
    now = rates.now
    waits = feed.next_attempt_at is not None and feed.next_attempt_at > now
    next_attempt_at = feed.next_attempt_at if waits else None
    return FeedLine(
        name=feed.name,
        exchange=feed.exchange,
        state=feed.status,
        since=stamp(feed.since),
        for_seconds=age(feed.since, now),
        down_since=stamp(feed.down_since),
        down_for_seconds=age(feed.down_since, now),
        reason=feed.reason,
        failed_attempts=feed.attempts,
        next_attempt=stamp(next_attempt_at),
        next_attempt_in_seconds=None
        if next_attempt_at is None
        else round(next_attempt_at - now, 3),
        breaker_open=feed.status is FeedStatus.REFUSED,
        last_data_age_seconds=age(feed.last_data_at, now),
        frames=feed.frames,
        frames_per_second=rates.of(feed.frames, lambda base: base.feed(feed.name).frames),
        received_bytes=feed.received_bytes,
        bytes_per_second=rates.of(
            feed.received_bytes, lambda base: base.feed(feed.name).received_bytes
        ),
        duplicates=feed.duplicates,
        gaps=dict(feed.gaps),
        rejected=dict(feed.rejected),
        resyncs=feed.resyncs,
        books_live=sorted(feed.books_live),
        books_out_of_sequence=dict(feed.books_out),
    )
