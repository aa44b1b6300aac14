"""The root nursery: everything is opened in one order and closed in the reverse one.

Opened: asyncio loop, HTTP, broker, publisher, exchanges with their feeds. Closed after a stop
was asked for: feeds first; their channel ends, which drains the publisher; then the broker;
HTTP last, so that it can be asked how the stop goes. All of it inside one limit of time.
"""

import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import trio

from mprism.configuration import mask
from mprism.feeds.feed import Feed
from mprism.feeds.venue import ConnectionPlan
from mprism.http.server import HttpAddresses, run_http
from mprism.nursery.broker import BrokerError, broker_urls
from mprism.nursery.embedded import open_embedded
from mprism.nursery.exchange import Hosts, run_exchange
from mprism.nursery.jetstream import open_loop
from mprism.nursery.publisher import run_publisher
from mprism.nursery.wakeup import Wakeup
from mprism.schema import Event, Route
from mprism.settings import NatsSettings, Settings
from mprism.state import BrokerState, CollectorState, Phase

logger = structlog.get_logger()

UNDELIVERED = ("stopped", "unconfirmed")
"""Reasons of drops that only a stop can have."""

Urls = Callable[[], Sequence[str]]


async def run_collector(
    settings: Settings,
    state: CollectorState,
    stop: trio.Event,
    hurry: trio.Event | None = None,
    *,
    task_status: trio.TaskStatus[HttpAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Collect until `stop` is set, then end within `system.stop_timeout_seconds`.

    Once `hurry` is set after it, nothing more is waited for.

    Says that it has started with the addresses of its HTTP interface. Raises, in exception
    groups, ListenError, UnknownSymbol and BrokerError of an embedded server that cannot start.
    """
    hurry = trio.Event() if hurry is None else hurry  # an event has no truth value
    async with open_loop():
        with trio.CancelScope() as everything:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_bound_stop, settings, state, stop, hurry, everything)
                await _serve_and_collect(settings, state, stop, hurry, task_status)
                nursery.cancel_scope.cancel()


async def _bound_stop(
    settings: Settings,
    state: CollectorState,
    stop: trio.Event,
    hurry: trio.Event,
    everything: trio.CancelScope,
) -> None:
    await stop.wait()
    state.enter(Phase.STOPPING)
    logger.info("stopping", limit_seconds=settings.system.stop_timeout_seconds)
    with trio.move_on_after(settings.system.stop_timeout_seconds):
        await hurry.wait()
    hurry.set()
    everything.cancel()


async def _serve_and_collect(
    settings: Settings,
    state: CollectorState,
    stop: trio.Event,
    hurry: trio.Event,
    task_status: trio.TaskStatus[HttpAddresses],
) -> None:
    stop_http = trio.Event()
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(run_http, state, settings.http, stop_http)
        logger.info("listening", http=addresses.http, metrics=addresses.metrics)
        task_status.started(addresses)
        async with _open_broker(settings.nats, state.broker, hurry) as urls:
            await _deliver(settings, state, stop, urls)
        stop_http.set()


@asynccontextmanager
async def _open_broker(
    settings: NatsSettings, state: BrokerState, hurry: trio.Event
) -> AsyncIterator[Urls]:
    """The addresses of the configured broker, or of an embedded one as long as this is open."""
    state.url, state.stream = mask(settings.url or ""), settings.stream.name
    if settings.url is not None:
        urls = broker_urls(settings.url)
        yield lambda: urls
        return
    async with AsyncExitStack() as stack:
        try:
            embedded = await stack.enter_async_context(
                open_embedded(settings.data_folder, hurry=hurry)
            )
        except OSError as error:
            where = f"nats.data_folder {settings.data_folder}"
            raise BrokerError(f"{where} cannot be used: {error.strerror}") from error
        state.embedded, state.data_folder = True, str(embedded.data_folder)
        yield lambda: (embedded.url,)


async def _deliver(settings: Settings, state: CollectorState, stop: trio.Event, urls: Urls) -> None:
    send, receive = trio.open_memory_channel[list[Event]](settings.system.channel_size)
    feeds: dict[str, Feed[ConnectionPlan]] = {}
    recovery = _Recovery(feeds)
    async with trio.open_nursery() as nursery:
        await nursery.start(_publish, settings, state, receive, urls, recovery.recovered)
        async with send:
            await _collect(settings, state, stop, send, feeds, recovery)


async def _publish(
    settings: Settings,
    state: CollectorState,
    receive: trio.MemoryReceiveChannel[list[Event]],
    urls: Urls,
    on_recovered: Callable[[set[Route]], None],
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    # Closed with the task: a feed that waits to hand over learns that nobody takes any more.
    async with receive:
        await run_publisher(
            receive,
            urls=urls,
            settings=settings.nats,
            broker=state.broker,
            state=state.publisher,
            on_recovered=on_recovered,
            task_status=task_status,
        )


async def _collect(
    settings: Settings,
    state: CollectorState,
    stop: trio.Event,
    send: trio.MemorySendChannel[list[Event]],
    feeds: dict[str, Feed[ConnectionPlan]],
    recovery: "_Recovery",
) -> None:
    """All exchanges, until the stop."""
    planned = {name: trio.Event() for name in settings.exchanges}
    hosts = Hosts()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recovery.run)
        for name, exchange in settings.exchanges.items():
            nursery.start_soon(
                run_exchange, name, exchange, state, send, feeds, planned[name], hosts
            )
        nursery.start_soon(_note_running, settings, state, list(planned.values()))
        await stop.wait()
        nursery.cancel_scope.cancel()


async def _note_running(
    settings: Settings, state: CollectorState, planned: Sequence[trio.Event]
) -> None:
    """Starting ends when all is planned; after its grace an exchange that is not is a fault."""
    with trio.move_on_after(settings.http.start_grace_seconds):
        for event in planned:
            await event.wait()
    if state.phase is Phase.STARTING:  # a stop may have come at the same moment
        state.enter(Phase.RUNNING)


class _Recovery:
    """Books that lost messages while the broker was away get a fresh snapshot afterwards."""

    def __init__(self, feeds: dict[str, Feed[ConnectionPlan]]) -> None:
        self._feeds = feeds
        self._routes: set[Route] = set()
        self._wakeup = Wakeup()

    def recovered(self, routes: set[Route]) -> None:
        """The broker is back; these books have holes. Never blocks."""
        self._routes |= routes
        self._wakeup.set()

    async def run(self) -> None:
        while True:
            await self._wakeup.wait()
            routes, self._routes = self._routes, set()
            for route in routes:
                for feed in list(self._feeds.values()):
                    if feed.plan.exchange == route.exchange:
                        await feed.republish(route.symbol)


async def publish_all(settings: Settings, state: CollectorState, events: Iterable[Event]) -> None:
    """Publish events that are there already, such as a recording's, and wait until they are in.

    What could not be stored is in `state.publisher.dropped`.
    """
    async with open_loop(), _open_broker(settings.nats, state.broker, trio.Event()) as urls:
        send, receive = trio.open_memory_channel[list[Event]](settings.system.channel_size)
        async with trio.open_nursery() as nursery:
            await nursery.start(_publish, settings, state, receive, urls, lambda books: None)
            async with send:
                for event in events:
                    await send.send([event])


async def run_until_signal(settings: Settings, state: CollectorState) -> int:
    """Collect until SIGINT, SIGTERM or SIGHUP; a second one ends at once. The exit code."""
    stop, hurry = trio.Event(), trio.Event()

    async def watch(signals: AsyncIterator[int]) -> None:
        async for number in signals:
            logger.info("signal", name=signal.Signals(number).name)
            if stop.is_set():
                hurry.set()
            stop.set()

    # SIGHUP is a terminal or a session that went away: an embedded server must go with us.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, signals)
            await run_collector(settings, state, stop, hurry)
            nursery.cancel_scope.cancel()
    lost = sum(n for (reason, _), n in state.publisher.dropped.items() if reason in UNDELIVERED)
    logger.info("stopped", undelivered=lost, at_once=hurry.is_set())
    return 1 if lost or hurry.is_set() else 0
