"""The answer to `/connections`: every connection, what it carries and how it has fared."""

from msgspec import Struct

from mprism.http.feed_checks import CONNECTED
from mprism.http.instant import age, seconds, stamp
from mprism.state import (
    BrokerState,
    BrokerStatus,
    CollectorState,
    FeedState,
    FeedStatus,
    StreamState,
)


class Stream(Struct, frozen=True, kw_only=True):
    """One subscribed stream, by the exchange's name for it."""

    name: str
    acknowledged: bool
    refused: str | None
    messages: int
    last_message: str | None
    last_message_age_seconds: float | None


class Connection(Struct, frozen=True, kw_only=True):
    """One websocket or poller. `reconnects` counts connections after the first."""

    name: str
    exchange: str
    endpoint: str
    connected: bool
    state: FeedStatus
    since: str | None
    for_seconds: float | None
    reason: str | None
    reconnects: int
    failed_attempts: int
    last_message: str | None
    last_message_age_seconds: float | None
    last_error: str | None
    last_error_at: str | None
    streams: list[Stream]


class NatsConnection(Struct, frozen=True, kw_only=True):
    """The connection to the broker. The address is without credentials."""

    url: str
    connected: bool
    state: BrokerStatus
    since: str | None
    for_seconds: float | None
    reason: str | None
    server_version: str | None
    stream: str
    fast_ingest: bool | None
    embedded: bool
    data_folder: str | None
    reconnects: int
    last_error: str | None
    last_error_at: str | None


class Connections(Struct, frozen=True, kw_only=True):
    """All of them."""

    time: str | None
    websockets: list[Connection]
    pollers: list[Connection]
    nats: NatsConnection


def connections(state: CollectorState, now: float) -> Connections:
    """Every connection at `now`, in Unix seconds."""
    feeds = state.feeds.values()
    return Connections(
        time=stamp(now),
        websockets=[_connection(feed, now) for feed in feeds if feed.kind == "websocket"],
        pollers=[_connection(feed, now) for feed in feeds if feed.kind != "websocket"],
        nats=nats_connection(state.broker, now),
    )


def _connection(feed: FeedState, now: float) -> Connection:
    return Connection(
        name=feed.name,
        exchange=feed.exchange,
        endpoint=feed.endpoint,
        connected=feed.status in CONNECTED,
        state=feed.status,
        since=stamp(feed.since),
        for_seconds=age(feed.since, now),
        reason=feed.reason,
        reconnects=max(0, feed.connects - 1),
        failed_attempts=feed.attempts,
        last_message=stamp(feed.last_frame_at),
        last_message_age_seconds=age(feed.last_frame_at, now),
        last_error=feed.last_error,
        last_error_at=stamp(feed.last_error_at),
        streams=[_stream(name, stream, now) for name, stream in feed.streams.items()],
    )


def _stream(name: str, stream: StreamState, now: float) -> Stream:
    received_at = seconds(stream.last_recv_ns)
    return Stream(
        name=name,
        acknowledged=stream.acknowledged,
        refused=stream.refused,
        messages=stream.messages,
        last_message=stamp(received_at),
        last_message_age_seconds=age(received_at, now),
    )


def nats_connection(broker: BrokerState, now: float) -> NatsConnection:
    """The connection to the broker at `now`, in Unix seconds."""
    return NatsConnection(
        url=broker.url,
        connected=broker.status is BrokerStatus.CONNECTED,
        state=broker.status,
        since=stamp(broker.since),
        for_seconds=age(broker.since, now),
        reason=broker.reason,
        server_version=broker.server_version,
        stream=broker.stream,
        fast_ingest=broker.fast_ingest,
        embedded=broker.embedded,
        data_folder=broker.data_folder,
        reconnects=max(0, broker.connects - 1),
        last_error=broker.last_error,
        last_error_at=stamp(broker.last_error_at),
    )
