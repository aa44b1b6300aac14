"""A collector's state with a clock of its own, for the tests of what HTTP says of it."""

from dataclasses import dataclass, field

from mprism.http.health import verdict
from mprism.http.history import SAMPLE_SECONDS, History
from mprism.http.look import Check
from mprism.settings import HttpSettings
from mprism.state import (
    BrokerState,
    BrokerStatus,
    CollectorState,
    Delivery,
    FeedState,
    FeedStatus,
    Phase,
    StreamState,
)

START = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """What the server has: state, settings, history; and time that passes when told to."""

    clock: Clock
    state: CollectorState
    settings: HttpSettings = field(
        default_factory=lambda: HttpSettings(
            grace_seconds=10, start_grace_seconds=60, silent_after_seconds=30
        )
    )
    history: History = field(default_factory=History)

    def feed(self, name: str = "binance_spot") -> FeedState:
        return self.state.feeds[name]

    def receive(self, feed: FeedState, stream: str, data_type: str = "trade") -> None:
        """One message on `stream`, with all that its writers note."""
        now = self.clock()
        received_ns = int(now * 1e9)
        feed.frames += 1
        feed.received_bytes += 200
        feed.last_frame_at = feed.last_data_at = now
        feed.streams[stream].messages += 1
        feed.streams[stream].last_recv_ns = received_ns
        publisher = self.state.publisher
        market = "spot" if feed.exchange == "binance_spot" else "perpetual"
        delivery = publisher.deliveries.setdefault((feed.exchange, market, data_type), Delivery())
        delivery.received += 1
        delivery.published += 1
        delivery.last_recv_ns = received_ns
        delivery.last_event_ns = received_ns - 25_000_000
        publisher.acknowledged += 1

    def pass_time(self, seconds: float, *, quiet: bool = True) -> None:
        """Let time pass, with the server's samples; unless `quiet`, each live stream speaks."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.history.sample(self.state, self.clock.now)
            self.clock.now = min(end, self.clock.now + SAMPLE_SECONDS)
            if not quiet:
                self.speak()

    def speak(self) -> None:
        for feed in self.state.feeds.values():
            if feed.status is FeedStatus.LIVE:
                for stream in feed.streams:
                    self.receive(feed, stream)


def starting_world() -> World:
    """Two feeds and a broker, none of them reached yet."""
    clock = Clock()
    state = CollectorState(version="1.2.3", configuration={"nats": {"url": "***"}}, clock=clock)
    state.broker = BrokerState(url="nats://127.0.0.1:4222", stream="MARKET_DATA", clock=clock)
    state.publisher.backlog_limit_bytes = 1_000
    for exchange in ("binance_spot", "binance_derivatives"):
        feed = FeedState(exchange, exchange, f"wss://{exchange}.test/stream", clock=clock)
        state.feeds[exchange] = feed
    return World(clock, state)


def running_world() -> World:
    """The same after a good start: everything is live, and was heard just now."""
    world = starting_world()
    world.pass_time(4)
    world.state.broker.enter(BrokerStatus.CONNECTED)
    world.state.broker.connects = 1
    for feed in world.state.feeds.values():
        connect(feed)
    world.state.enter(Phase.RUNNING)
    world.speak()
    world.pass_time(1)
    return world


def connect(feed: FeedState) -> None:
    """Let `feed` go through what a connection goes through, up to its first valid data."""
    feed.enter(FeedStatus.CONNECTING)
    feed.connects += 1
    feed.enter(FeedStatus.SUBSCRIBING)
    for stream in ("btcusdt@trade", "btcusdt@depth@100ms"):
        feed.streams.setdefault(stream, StreamState()).acknowledged = True
    feed.enter(FeedStatus.LIVE)
    feed.attempts = 0
    feed.last_data_at = feed.clock()


def said(world: World) -> dict[str, Check]:
    health = verdict(world.state, world.settings, world.clock(), world.history)
    return {check.name: check for check in health.checks}
