"""What `/status` says of the way from the channel to the broker."""

from msgspec import Struct

from mprism.http.history import Rates
from mprism.http.instant import age, seconds
from mprism.state import Coverage, Delivery, Histogram, PublisherState


class DeliveryLine(Struct, frozen=True, kw_only=True):
    """One data type's way to the broker.

    `lag_seconds` is from the last event's exchange time to now, so it holds the silence since.
    `delay_seconds` is from that exchange time to its receipt, so it holds whatever the two
    clocks differ by.
    """

    exchange: str
    market_type: str
    data_type: str
    received: int
    received_per_second: float | None
    published: int
    published_per_second: float | None
    lag_seconds: float | None
    delay_seconds: float | None


class Latency(Struct, frozen=True, kw_only=True):
    """Receive to acknowledgement since the start, in milliseconds.

    Quantiles are upper bounds of histogram buckets: at most 19 % above the true value.
    """

    count: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Dropped(Struct, frozen=True, kw_only=True):
    """Messages that were given up, by cause."""

    reason: str
    data_type: str
    messages: int


class PublisherLine(Struct, frozen=True, kw_only=True):
    """The publisher. `oldest_wait_seconds` is of all that is not acknowledged.

    `duplicates` are messages that the stream had already, and did not store again.
    """

    backlog_messages: int
    backlog_bytes: int
    backlog_limit_bytes: int
    oldest_wait_seconds: float | None
    bursts_in_flight: int
    messages_in_flight: int
    bursts: int
    acknowledged: int
    acknowledged_per_second: float | None
    resent: int
    duplicates: int
    dropped: list[Dropped]
    latency: Latency


def delivery_line(coverage: Coverage, delivery: Delivery, rates: Rates) -> DeliveryLine:
    """One delivery at the time of `rates`."""
    exchange, market_type, data_type = coverage
    event_at, received_at = seconds(delivery.last_event_ns), seconds(delivery.last_recv_ns)
    return DeliveryLine(
        exchange=exchange,
        market_type=market_type,
        data_type=data_type,
        received=delivery.received,
        received_per_second=rates.of(
            delivery.received, lambda base: base.delivery(coverage).received
        ),
        published=delivery.published,
        published_per_second=rates.of(
            delivery.published, lambda base: base.delivery(coverage).published
        ),
        lag_seconds=_between(event_at, rates.now),
        delay_seconds=_between(event_at, received_at),
    )


def _between(start: float | None, end: float | None) -> float | None:
    """Seconds to the millisecond; negative where the exchange's clock is ahead of ours."""
    return None if start is None or end is None else round(end - start, 3)


def publisher_line(publisher: PublisherState, rates: Rates) -> PublisherLine:
    """The publisher at the time of `rates`."""
    return PublisherLine(
        backlog_messages=publisher.backlog_messages,
        backlog_bytes=publisher.backlog_bytes,
        backlog_limit_bytes=publisher.backlog_limit_bytes,
        oldest_wait_seconds=age(seconds(publisher.oldest_recv_ns), rates.now),
        bursts_in_flight=publisher.bursts_in_flight,
        messages_in_flight=publisher.messages_in_flight,
        bursts=publisher.bursts,
        acknowledged=publisher.acknowledged,
        acknowledged_per_second=rates.of(publisher.acknowledged, lambda base: base.acknowledged),
        resent=publisher.resent,
        duplicates=publisher.duplicates,
        dropped=[
            Dropped(reason=reason, data_type=data_type, messages=n)
            for (reason, data_type), n in sorted(publisher.dropped.items())
        ],
        latency=_latency(publisher.latency),
    )


def _latency(histogram: Histogram) -> Latency:
    return Latency(
        count=histogram.count,
        p50_ms=_milliseconds(histogram.quantile(0.5)),
        p99_ms=_milliseconds(histogram.quantile(0.99)),
        max_ms=_milliseconds(histogram.max if histogram.count else None),
    )


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else round(value * 1_000, 3)
