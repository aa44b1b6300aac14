"""What the feeds contribute to the verdict. "Lately" means the last `SPAN_SECONDS`, 5 minutes.

| check | healthy | degraded | unhealthy |
|---|---|---|---|
| `feeds` | some feed is not down | there is no feed yet, up to the start grace | every feed is \
down; or there is none for longer |
| `feed:X` | live; or not live for up to the grace, and was live before | not live for longer; \
not live yet; refused or stopped, at once; live, but connected more than 5 times lately | |
| `streams:X` | every stream had a message within `http.silent_after_seconds` and its own \
patience; or the feed is not connected, which `feed:X` judges | a stream had none, acknowledged \
or not; or the exchange refused it, and it is not yet asked for again | |
| `books:X` | no book is out of sequence for longer than the grace | some book is | |
| `rejected:X` | no frame was rejected lately | some frame was | |

Silence counts from the later of the last message and the feed's last change of status, so a
new connection gets the whole time. A stream's patience is what its kind needs: a poll's answers
come once a period, and liquidations may stay away for ever.
"""

from collections.abc import Iterable, Iterator

from mprism.http.history import SPAN_SECONDS, BookOut, StreamRefused
from mprism.http.instant import NS_PER_SECOND
from mprism.http.look import Check, Look, Status
from mprism.state import FeedState, FeedStatus

MOST_CONNECTS = 5  # in the last SPAN_SECONDS; more is a feed that does not hold
_MOST_NAMES = 5  # in one reason: an answer is read by people

CONNECTED = (FeedStatus.SUBSCRIBING, FeedStatus.LIVE)


def feed_checks(look: Look) -> Iterator[Check]:
    """The checks of all feeds, then of each."""
    yield check_feeds(look)
    for feed in look.state.feeds.values():
        yield check_feed(look, feed)
        yield check_streams(look, feed)
        yield check_books(look, feed)
        yield check_rejected(look, feed)


def check_feeds(look: Look) -> Check:
    """Whether anything is collected at all."""
    feeds = look.state.feeds.values()
    if not feeds:
        started_at = look.state.started_at
        late = look.lasts(started_at, look.settings.start_grace_seconds)
        status = Status.UNHEALTHY if late else Status.DEGRADED
        return look.check("feeds", status, "there is no feed", started_at)
    live = sum(feed.status is FeedStatus.LIVE for feed in feeds)
    reason = f"{live} of {len(feeds)} live"
    if not all(look.feed_is_down(feed) for feed in feeds):
        return look.check("feeds", Status.HEALTHY, reason)
    last_down = max((f.down_since for f in feeds if f.down_since is not None), default=None)
    return look.check("feeds", Status.UNHEALTHY, reason, last_down)


def check_feed(look: Look, feed: FeedState) -> Check:
    """Whether one feed delivers, and what is being done if not."""
    name = f"feed:{feed.name}"
    if feed.status is FeedStatus.LIVE:
        return _check_steadiness(look, feed, name)
    reconnecting = feed.last_data_at is not None and not look.feed_is_down(feed)
    status = Status.HEALTHY if reconnecting else Status.DEGRADED
    return look.check(name, status, describe(feed, look.now), feed.down_since)


def _check_steadiness(look: Look, feed: FeedState, name: str) -> Check:
    risen = look.history.recent(
        look.now,
        {"connects": feed.connects},
        lambda sample: {"connects": sample.feed(feed.name).connects},
    )
    if risen is None or risen[0]["connects"] <= MOST_CONNECTS:
        return look.check(name, Status.HEALTHY, None, feed.since)
    connects, since = risen
    reason = f"connected {connects['connects']} times in the last {SPAN_SECONDS:.0f} s"
    if feed.last_error is not None:
        reason += f"; last error: {feed.last_error}"
    return look.check(name, Status.DEGRADED, reason, since)


def describe(feed: FeedState, now: float) -> str:
    """Why `feed` is not live, and when it tries again, in one line."""
    parts = [feed.status.value.replace("_", " ")]
    cause = feed.reason or feed.last_error
    if cause is not None:
        parts.append(cause)
    if feed.attempts:
        parts.append(f"failed attempts: {feed.attempts}")
    if feed.next_attempt_at is not None and feed.next_attempt_at > now:
        parts.append(f"next attempt in {feed.next_attempt_at - now:.1f} s")
    return "; ".join(parts)


def check_streams(look: Look, feed: FeedState) -> Check:
    """Whether each subscribed stream sends: an acknowledgement alone proves nothing."""
    name = f"streams:{feed.name}"
    if feed.status not in CONNECTED:
        return look.check(name, Status.HEALTHY, "not connected")
    refused = {n: s.refused for n, s in feed.streams.items() if s.refused is not None}
    if refused:
        described = (f"{stream} ({why})" for stream, why in refused.items())
        reason = f"{len(refused)} of {len(feed.streams)} refused: {_some(described, len(refused))}"
        since = min(look.history.begun(StreamRefused(feed.name, n), look.now) for n in refused)
        return look.check(name, Status.DEGRADED, reason, since)
    silent = dict(_silent_streams(look, feed))
    if not silent:
        return look.check(name, Status.HEALTHY)
    described = (
        f"{stream} ({'acknowledged' if feed.streams[stream].acknowledged else 'not acknowledged'})"
        for stream in silent
    )
    reason = f"{len(silent)} of {len(feed.streams)} silent: {_some(described, len(silent))}"
    return look.check(name, Status.DEGRADED, reason, min(silent.values()))


def _silent_streams(look: Look, feed: FeedState) -> Iterator[tuple[str, float]]:
    for name, stream in feed.streams.items():
        since = max(feed.since, (stream.last_recv_ns or 0) / NS_PER_SECOND)
        if look.lasts(since, look.settings.silent_after_seconds + stream.patience):
            yield name, since


def check_books(look: Look, feed: FeedState) -> Check:
    """Whether every book of a feed follows its exchange."""
    name = f"books:{feed.name}"
    out = {
        symbol: look.history.begun(BookOut(feed.name, symbol), look.now)
        for symbol in feed.books_out
    }
    if not out:
        return look.check(name, Status.HEALTHY)
    described = (f"{symbol} ({feed.books_out[symbol]})" for symbol in out)
    reason = f"{len(out)} out of sequence: {_some(described, len(out))}"
    since = min(out.values())
    late = look.lasts(since, look.settings.grace_seconds)
    return look.check(name, Status.DEGRADED if late else Status.HEALTHY, reason, since)


def check_rejected(look: Look, feed: FeedState) -> Check:
    """Whether every frame of a feed was understood lately."""
    name = f"rejected:{feed.name}"
    risen = look.history.recent(
        look.now, feed.rejected, lambda sample: sample.feed(feed.name).rejected
    )
    if risen is None:
        return look.check(name, Status.HEALTHY)
    counts, since = risen
    by_reason = ", ".join(f"{reason} {n}" for reason, n in counts.most_common(_MOST_NAMES))
    total = counts.total()
    reason = f"frames rejected in the last {SPAN_SECONDS:.0f} s: {total} ({by_reason})"
    return look.check(name, Status.DEGRADED, reason, since)


def _some(names: Iterable[str], total: int) -> str:
    shown = [name for name, _ in zip(names, range(_MOST_NAMES), strict=False)]
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
