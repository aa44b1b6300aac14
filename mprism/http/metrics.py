"""Prometheus metrics, made of the collector's plain counters at the moment of a scrape.

Nothing is counted here, so a message costs nothing for being measured. Labels are bounded by
the configuration: exchange, market type, data type, feed name and fixed reasons, never a
symbol. Times and durations are in seconds, sizes in bytes; a counter starts with the process.
"""

import platform
from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from mprism.http.feed_metrics import feed_metrics
from mprism.http.health import verdict
from mprism.http.history import History
from mprism.http.instant import NS_PER_SECOND
from mprism.http.look import Status
from mprism.http.process import memory_bytes
from mprism.settings import HttpSettings
from mprism.state import (
    BrokerState,
    BrokerStatus,
    CollectorState,
    Histogram,
    Phase,
    PublisherState,
)

# The state counts in steps of 2 to the 1/4; every fourth bound is enough for a dashboard.
_BOUNDS_PER_BUCKET = 4


class StateCollector(Collector):
    """What one collector's state says, in Prometheus' terms."""

    def __init__(self, state: CollectorState, settings: HttpSettings, history: History) -> None:
        self._state = state
        self._settings = settings
        self._history = history

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry would otherwise scrape once to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        state = self._state
        now = state.clock()
        status = verdict(state, self._settings, now, self._history).status
        yield from process_metrics(state, status, now)
        yield from feed_metrics(state)
        yield from broker_metrics(state.broker)
        yield from publisher_metrics(state.publisher, now)


class MetricsPage:
    """The answer to `/metrics`, with a registry of its own."""

    def __init__(self, state: CollectorState, settings: HttpSettings, history: History) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StateCollector(state, settings, history))
        # CPU time, open files and the like, where /proc has them.
        ProcessCollector(namespace="marketprism", registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, in the format that the Accept header prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def process_metrics(state: CollectorState, status: Status, now: float) -> Iterator[Metric]:
    """The process as a whole."""
    build = GaugeMetricFamily(
        "marketprism_build_info",
        "Always 1; the labels say what runs.",
        labels=["version", "python"],
    )
    build.add_metric([state.version, platform.python_version()], 1)
    yield build
    yield GaugeMetricFamily(
        "marketprism_start_time_seconds",
        "When the collector started, in Unix seconds.",
        value=state.started_at,
    )
    yield GaugeMetricFamily(
        "marketprism_uptime_seconds",
        "For how long the collector runs.",
        value=max(0.0, now - state.started_at),
    )
    yield GaugeMetricFamily(
        "marketprism_memory_usage_bytes",
        "Resident memory of this process.",
        value=memory_bytes(),
    )
    phase = GaugeMetricFamily(
        "marketprism_phase",
        "Where the process is in its life: 1 for the phase that it is in, 0 for the others.",
        labels=["phase"],
    )
    for each in Phase:
        phase.add_metric([each.value], each is state.phase)
    yield phase
    health = GaugeMetricFamily(
        "marketprism_health_status",
        "The verdict of /health: 1 for the one that holds, 0 for the others.",
        labels=["status"],
    )
    for verdict_ in Status:
        health.add_metric([verdict_.value], verdict_ is status)
    yield health


def broker_metrics(broker: BrokerState) -> Iterator[Metric]:
    """The connection to NATS."""
    yield GaugeMetricFamily(
        "marketprism_broker_up",
        "1 while the collector is connected to NATS, else 0.",
        value=broker.status is BrokerStatus.CONNECTED,
    )
    yield CounterMetricFamily(
        "marketprism_broker_reconnects",
        "Connections to NATS after the first.",
        value=max(0, broker.connects - 1),
    )


def publisher_metrics(publisher: PublisherState, now: float) -> Iterator[Metric]:
    """The way from the channel to the broker."""
    yield from _delivery_metrics(publisher)
    yield from _backlog_metrics(publisher, now)
    yield CounterMetricFamily(
        "marketprism_bursts",
        "Bursts of messages that the broker acknowledged as a whole.",
        value=publisher.bursts,
    )
    yield CounterMetricFamily(
        "marketprism_messages_resent",
        "Messages sent again, with the same id, because their burst failed or timed out.",
        value=publisher.resent,
    )
    yield CounterMetricFamily(
        "marketprism_messages_deduplicated",
        "Messages that the stream had already and did not store again, as far as the broker tells.",
        value=publisher.duplicates,
    )
    dropped = CounterMetricFamily(
        "marketprism_messages_dropped",
        "Messages given up before the broker had them, by cause. Anything above 0 is a loss.",
        labels=["reason", "data_type"],
    )
    for (reason, data_type), n in sorted(publisher.dropped.items()):
        dropped.add_metric([reason, data_type], n)
    yield dropped
    yield latency_metric(publisher.latency)


def _delivery_metrics(publisher: PublisherState) -> Iterator[Metric]:
    labels = ["exchange", "market_type", "data_type"]
    received = CounterMetricFamily(
        "marketprism_events_received",
        "Normalised events that the feeds handed to the publisher.",
        labels=labels,
    )
    published = CounterMetricFamily(
        "marketprism_messages_published",
        "Messages that the broker has acknowledged as stored.",
        labels=labels,
    )
    last = GaugeMetricFamily(
        "marketprism_last_event_timestamp_seconds",
        "When the last event was received, in Unix seconds.",
        labels=labels,
    )
    for coverage, delivery in sorted(publisher.deliveries.items()):
        received.add_metric(coverage, delivery.received)
        published.add_metric(coverage, delivery.published)
        if delivery.last_recv_ns is not None:
            last.add_metric(coverage, delivery.last_recv_ns / NS_PER_SECOND)
    yield from (received, published, last)


def _backlog_metrics(publisher: PublisherState, now: float) -> Iterator[Metric]:
    oldest_ns = publisher.oldest_recv_ns
    for name, meaning, value in (
        ("backlog_messages", "Messages that wait to be sent.", publisher.backlog_messages),
        ("backlog_bytes", "Size of the messages that wait to be sent.", publisher.backlog_bytes),
        (
            "backlog_limit_bytes",
            "Room for messages that wait to be sent; when it is full the oldest are dropped.",
            publisher.backlog_limit_bytes,
        ),
        (
            "oldest_unacknowledged_seconds",
            "For how long the oldest unacknowledged message waits; 0 when none does.",
            0.0 if oldest_ns is None else max(0.0, now - oldest_ns / NS_PER_SECOND),
        ),
        (
            "bursts_in_flight",
            "Bursts sent to the broker and not yet acknowledged.",
            publisher.bursts_in_flight,
        ),
        (
            "messages_in_flight",
            "Messages sent to the broker and not yet acknowledged.",
            publisher.messages_in_flight,
        ),
    ):
        yield GaugeMetricFamily(f"marketprism_{name}", meaning, value=value)


def latency_metric(histogram: Histogram) -> Metric:
    """Durations from receipt to acknowledgement, in fewer buckets than they are counted in."""
    buckets = []
    seen = 0
    for i, (bound, n) in enumerate(zip(histogram.bounds, histogram.counts, strict=False)):
        seen += n
        if i % _BOUNDS_PER_BUCKET == 0:
            buckets.append((f"{bound:.6g}", float(seen)))
    buckets.append(("+Inf", float(histogram.count)))
    return HistogramMetricFamily(
        "marketprism_data_processing_duration_seconds",
        "From the receipt of an event's frame to the broker's acknowledgement of its message.",
        buckets=buckets,
        sum_value=histogram.total,
    )
