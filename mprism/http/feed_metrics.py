"""Prometheus metrics of the feeds. See `mprism.http.metrics` for what holds for all."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mprism.http.feed_checks import CONNECTED
from mprism.state import CollectorState, FeedState, FeedStatus

# Name, meaning, where the counter is. One sample per feed.
_COUNTERS: tuple[tuple[str, str, Callable[[FeedState], int]], ...] = (
    ("frames", "Frames received, control frames not among them.", lambda feed: feed.frames),
    ("received_bytes", "Payload of the frames received.", lambda feed: feed.received_bytes),
    (
        "feed_reconnects",
        "Connections of a feed after its first.",
        lambda feed: max(0, feed.connects - 1),
    ),
    (
        "duplicates",
        "Events that had come before, on this connection or an earlier one; not published again.",
        lambda feed: feed.duplicates,
    ),
    (
        "book_resyncs",
        "Order books that were begun anew from a snapshot because of a break in their sequence.",
        lambda feed: feed.resyncs,
    ),
)


def feed_metrics(state: CollectorState) -> Iterator[Metric]:
    """The feeds, each by its name, and what is summed up by exchange."""
    feeds = state.feeds.values()
    yield from _by_exchange(feeds)
    yield from _states(feeds)
    for name, meaning, read in _COUNTERS:
        counter = CounterMetricFamily(f"marketprism_{name}", meaning, labels=["exchange", "feed"])
        for feed in feeds:
            counter.add_metric([feed.exchange, feed.name], read(feed))
        yield counter
    yield from _by_cause(feeds)


def _by_exchange(feeds: Iterable[FeedState]) -> Iterator[Metric]:
    connections = GaugeMetricFamily(
        "marketprism_websocket_connections",
        "Websocket connections that are open.",
        labels=["exchange"],
    )
    books = GaugeMetricFamily(
        "marketprism_order_books",
        "Order books, by whether they follow their exchange (live) or wait for a snapshot "
        "after a break in their sequence (out_of_sequence).",
        labels=["exchange", "state"],
    )
    for exchange in sorted({feed.exchange for feed in feeds}):
        own = [feed for feed in feeds if feed.exchange == exchange]
        connected = sum(f.kind == "websocket" and f.status in CONNECTED for f in own)
        connections.add_metric([exchange], connected)
        books.add_metric([exchange, "live"], sum(len(f.books_live) for f in own))
        books.add_metric([exchange, "out_of_sequence"], sum(len(f.books_out) for f in own))
    yield from (connections, books)


def _states(feeds: Iterable[FeedState]) -> Iterator[Metric]:
    status = GaugeMetricFamily(
        "marketprism_feed_status",
        "Where a feed is in its life: 1 for the status that it has, 0 for the others.",
        labels=["exchange", "feed", "status"],
    )
    attempts = GaugeMetricFamily(
        "marketprism_feed_failed_attempts",
        "Attempts to connect that failed since the last valid data.",
        labels=["exchange", "feed"],
    )
    last = GaugeMetricFamily(
        "marketprism_feed_last_data_timestamp_seconds",
        "When a feed last had valid data, in Unix seconds.",
        labels=["exchange", "feed"],
    )
    for feed in feeds:
        labels = [feed.exchange, feed.name]
        for each in FeedStatus:
            status.add_metric([*labels, each.value], each is feed.status)
        attempts.add_metric(labels, feed.attempts)
        if feed.last_data_at is not None:
            last.add_metric(labels, feed.last_data_at)
    yield from (status, attempts, last)


def _by_cause(feeds: Iterable[FeedState]) -> Iterator[Metric]:
    rejected = CounterMetricFamily(
        "marketprism_frames_rejected",
        "Frames and answers of the exchange that were refused as malformed or unexpected.",
        labels=["exchange", "feed", "reason"],
    )
    missing = CounterMetricFamily(
        "marketprism_missing_ids",
        "Ids of the exchange's sequence that are known to be missing from what is published.",
        labels=["exchange", "feed", "data_type"],
    )
    for feed in feeds:
        for reason, n in sorted(feed.rejected.items()):
            rejected.add_metric([feed.exchange, feed.name, reason], n)
        for data_type, n in sorted(feed.gaps.items()):
            missing.add_metric([feed.exchange, feed.name, data_type], n)
    yield from (rejected, missing)
