"""What can befall a running collector, for the tests of the verdict on it."""

from collections.abc import Callable

from mprism.state import BrokerStatus, FeedStatus, Phase
from tests.unit.http_states import World, connect


def lose(world: World, name: str, status: FeedStatus = FeedStatus.BACKING_OFF) -> None:
    feed = world.feed(name)
    feed.failed("connection reset")
    feed.enter(status, "connection reset")


def lose_broker(world: World) -> None:
    world.state.broker.enter(BrokerStatus.AWAY, "connection refused")


def rest(seconds: float) -> Callable[[World], None]:
    """Time passes, and every live stream speaks."""
    return lambda world: world.pass_time(seconds, quiet=False)


def one_lost(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        lose(world, "binance_spot")
        rest(seconds)(world)

    return happen


def both_lost(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        lose(world, "binance_spot")
        rest(3)(world)
        lose(world, "binance_derivatives")
        rest(seconds)(world)

    return happen


def broker_lost(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        lose_broker(world)
        rest(seconds)(world)

    return happen


def restless(seconds: float) -> Callable[[World], None]:
    """A feed that never gets to valid data, whatever it goes through."""

    def happen(world: World) -> None:
        lose(world, "binance_spot")
        for step in range(int(seconds)):
            statuses = (FeedStatus.CONNECTING, FeedStatus.SUBSCRIBING, FeedStatus.BACKING_OFF)
            world.feed().enter(statuses[step % 3])
            rest(1)(world)

    return happen


def unsteady(connects: int) -> Callable[[World], None]:
    """A feed that has data after each connection, and then breaks."""

    def happen(world: World) -> None:
        for _ in range(connects):
            lose(world, "binance_spot")
            rest(2)(world)
            connect(world.feed())
            rest(2)(world)

    return happen


def refused(*names: str) -> Callable[[World], None]:
    def happen(world: World) -> None:
        for name in names:
            lose(world, name, FeedStatus.REFUSED)

    return happen


def stopped(world: World) -> None:
    world.feed().enter(FeedStatus.STOPPED)


def silent_stream(seconds: float) -> Callable[[World], None]:
    """One stream of two ends without a word."""

    def happen(world: World) -> None:
        feed = world.feed()
        for _ in range(int(seconds)):
            world.pass_time(1)
            world.receive(feed, "btcusdt@depth@100ms")
            for stream in world.feed("binance_derivatives").streams:
                world.receive(world.feed("binance_derivatives"), stream)

    return happen


def patient_stream(patience: float, seconds: float) -> Callable[[World], None]:
    """The same with a stream whose kind may be silent for so much longer."""

    def happen(world: World) -> None:
        world.feed().streams["btcusdt@trade"].patience = patience
        silent_stream(seconds)(world)

    return happen


def refused_stream(world: World) -> None:
    """The exchange refuses one stream of two, which is not silent yet."""
    stream = world.feed().streams["btcusdt@trade"]
    stream.acknowledged, stream.refused = False, "60018: no such channel"
    rest(10)(world)


def reconnected_after_silence(world: World) -> None:
    silent_stream(31)(world)
    lose(world, "binance_spot")
    connect(world.feed())
    silent_stream(29)(world)


def book_out(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        feed = world.feed()
        feed.books_live.discard("BTC-USDT")
        feed.books_out["BTC-USDT"] = "expected 7, got 9"
        rest(seconds)(world)

    return happen


def book_back(world: World) -> None:
    book_out(20)(world)
    world.feed().books_out.clear()
    rest(2)(world)


def rejected(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.feed().rejected["malformed"] += 3
        rest(seconds)(world)

    return happen


def dropped(seconds: float) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.state.publisher.dropped["backlog_full", "orderbook"] += 40
        world.state.publisher.dropped["backlog_full", "trade"] += 2
        rest(seconds)(world)

    return happen


def backlog(taken: int) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.state.publisher.backlog_bytes = taken

    return happen


def waiting(seconds: float, acknowledged: int) -> Callable[[World], None]:
    """A message waits, while so many others are acknowledged each second."""

    def happen(world: World) -> None:
        world.state.publisher.oldest_recv_ns = int(world.clock() * 1e9)
        world.state.publisher.messages_in_flight = 7
        for _ in range(int(seconds)):
            world.state.publisher.acknowledged += acknowledged
            world.pass_time(1)

    return happen


def after_quiet_market(world: World) -> None:
    """Nothing came for a while, so nothing was acknowledged; then one message comes."""
    world.pass_time(25)
    world.state.publisher.oldest_recv_ns = int(world.clock() * 1e9)


def stopping(world: World) -> None:
    world.state.enter(Phase.STOPPING)
    for feed in world.state.feeds.values():
        feed.enter(FeedStatus.STOPPED)
    world.pass_time(15)


def stopping_for_long(world: World) -> None:
    stopping(world)
    world.pass_time(60)


def stopped_broker(world: World) -> None:
    stopping(world)
    world.state.broker.enter(BrokerStatus.STOPPED)
