"""The answer to `/status`: all that the collector knows of itself, but for single streams.

Rates are counters compared with a sample of up to `history.RATE_SECONDS` ago. The answer says
over how many seconds; in the first one there are no rates, and they are null.
"""

import os
import platform

from msgspec import Struct

from mprism.http.connections import NatsConnection, nats_connection
from mprism.http.delivery_status import (
    DeliveryLine,
    PublisherLine,
    delivery_line,
    publisher_line,
)
from mprism.http.feed_status import FeedLine, feed_line
from mprism.http.health import verdict
from mprism.http.history import History
from mprism.http.instant import age, stamp
from mprism.http.look import Status
from mprism.http.process import memory_bytes, peak_memory_bytes
from mprism.settings import HttpSettings
from mprism.state import CollectorState, Phase


class Memory(Struct, frozen=True, kw_only=True):
    """Resident memory of this process."""

    rss_bytes: int
    peak_rss_bytes: int


class StatusPage(Struct, frozen=True, kw_only=True):
    """Everything. The configuration comes last because it is long."""

    version: str
    health: Status
    phase: Phase
    phase_since: str | None
    time: str | None
    started: str | None
    uptime_seconds: float | None
    pid: int
    python: str
    memory: Memory
    rates_over_seconds: float | None
    feeds: list[FeedLine]
    deliveries: list[DeliveryLine]
    publisher: PublisherLine
    nats: NatsConnection
    configuration: dict[str, object]


def status_page(
    state: CollectorState, settings: HttpSettings, now: float, history: History
) -> StatusPage:
    """The state of things at `now`, in Unix seconds."""
    rates = history.rates(now)
    return StatusPage(
        version=state.version,
        health=verdict(state, settings, now, history).status,
        phase=state.phase,
        phase_since=stamp(state.phase_since),
        time=stamp(now),
        started=stamp(state.started_at),
        uptime_seconds=age(state.started_at, now),
        pid=os.getpid(),
        python=platform.python_version(),
        memory=Memory(rss_bytes=memory_bytes(), peak_rss_bytes=peak_memory_bytes()),
        rates_over_seconds=rates.over_seconds(),
        feeds=[feed_line(feed, rates) for feed in state.feeds.values()],
        deliveries=[
            delivery_line(coverage, delivery, rates)
            for coverage, delivery in sorted(state.publisher.deliveries.items())
        ],
        publisher=publisher_line(state.publisher, rates),
        nats=nats_connection(state.broker, now),
        configuration=state.configuration,
    )
