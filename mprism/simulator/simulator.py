"""One running simulated exchange: what tests and the demo hold in their hands."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, Protocol, TypeVar

import msgspec
import trio

from mprism.simulator.connection import Connection
from mprism.simulator.exchange import ExchangeMarket
from mprism.simulator.faults import Fault, MarketFault, RefuseConnections, RestFault
from mprism.simulator.http import Answers, Request, Response, serve_http
from mprism.simulator.injection import inflict
from mprism.simulator.rules import Rules
from mprism.simulator.session import OpenSession, PolicyBreachError, Session, UnknownPathError
from mprism.simulator.subscribers import Subscribers
from mprism.simulator.truth import Truth
from mprism.simulator.websocket import Refusal, WebSocketServer
from mprism.simulator.wire import Publication

LOOPBACK = "127.0.0.1"
CLOCK_SECONDS = 0.01
RECOVERY_SECONDS = 10.0  # a scheduled fault waits so long for clients to be back
CONFIRM_SECONDS = 10.0


class RestInterface(Protocol):
    """The REST side of an exchange."""

    def inject(self, fault: RestFault) -> None:
        """Make `fault` from now on."""

    def respond(self, request: Request) -> Response:
        """The answer to one request."""


MarketT_co = TypeVar("MarketT_co", bound=ExchangeMarket, covariant=True)
RestT_co = TypeVar("RestT_co", bound=RestInterface, covariant=True)
MarketT = TypeVar("MarketT", bound=ExchangeMarket)
RestT = TypeVar("RestT", bound=RestInterface)


class Simulator(Generic[MarketT_co, RestT_co]):
    """One running exchange. Made by `open_simulator`.

    `websocket_url` and `rest_url` are bases without a path. `counts` says what was done:
    `connections_opened`, `frames_sent`, `requests_429`, `inbound_limit_breaches` and so on;
    what never happened is not in it.
    """

    def __init__(
        self,
        market: MarketT_co,
        rest: RestT_co,
        open_session: OpenSession,
        rules: Rules,
        counts: Counter[str],
        websocket_url: str,
        rest_url: str,
    ) -> None:
        self.exchange = market.exchange
        self.market = market
        self.rest = rest
        self.truth: Truth = market.truth()
        self.websocket_url = websocket_url
        self.rest_url = rest_url
        self.counts = counts
        self.subscribers = Subscribers()
        self.answers = Answers()
        self._open_session = open_session
        self._rules = rules
        self._stopped = trio.Event()
        self._calm = trio.Event()
        self._refusals: deque[int] = deque()
        self._attempts: deque[float] = deque(maxlen=rules.connection_attempts)

    async def step(self, milliseconds: int = 100, *, orders: int = 0) -> None:
        """Let the market's time pass by hand, after `orders` taker orders in each symbol.

        Returns when everything that this caused has been written to the sockets.
        """
        self.market.trade(orders)
        self._advance(self.market.now_us + milliseconds * 1_000)
        for connection in self.subscribers.connections.copy():
            if not connection.outbox.silent:
                await connection.outbox.flushed()

    def publish(self, stream: str, data: object) -> None:
        """Send a message of the caller's own making to the subscribers of `stream`."""
        self._send(Publication(stream, lambda _: msgspec.json.encode(data)))

    async def inject(self, fault: Fault) -> int:
        """Make a fault; returns on how many connections, or 1 if it concerns none.

        A fault that ends connections returns when they have ended.
        """
        self.counts[f"fault_{type(fault).__name__}"] += 1
        if isinstance(fault, RestFault):
            self.rest.inject(fault)
            return 1
        if isinstance(fault, MarketFault):
            for publication in self.market.inject(fault):
                self._send(publication)
            return 1
        if isinstance(fault, RefuseConnections):
            self._refusals.extend([fault.status] * fault.count)
            return 1
        connections = self.subscribers.connections.copy()
        async with trio.open_nursery() as nursery:
            for connection in connections:
                nursery.start_soon(inflict, fault, connection, self.market.now_us)
        return len(connections)

    async def subscribed(self, *streams: str) -> None:
        """Return as soon as each of these streams has a subscriber; without names, any."""
        await self.subscribers.wait_for(*streams)

    async def stop_market(self, timeout: float = CONFIRM_SECONDS) -> bool:
        """Let nothing more happen; True when every client has read all that was written.

        Waits at most `timeout` seconds for that, apart from a silence that is going on.
        """
        self.stop_faults()
        self._stopped.set()
        unread: list[Connection] = []

        async def confirm(connection: Connection) -> None:
            if not await connection.confirm(timeout) and not connection.closed.is_set():
                unread.append(connection)

        async with trio.open_nursery() as nursery:
            for connection in self.subscribers.connections:
                nursery.start_soon(confirm, connection)
        return not unread

    def stop_faults(self) -> None:
        """Make no more scheduled faults. What was made already goes on to its end."""
        self._calm.set()

    async def stop_rest(self) -> None:
        """Answer no further request; returns when every answer that was made is written.

        What REST tells counts as read when the answer is made, so nothing does afterwards.
        """
        await self.answers.end()

    def admit(self, target: str) -> Session | Refusal:
        """Decide about a WebSocket handshake."""
        now = trio.current_time()
        if self._refusals:
            return Refusal(self._refusals.popleft())
        recent = self._attempts.maxlen == len(self._attempts)
        if recent and now - self._attempts[0] < self._rules.connection_window:
            return Refusal(429)
        if len(self.subscribers.connections) >= self._rules.max_connections:
            return Refusal(429)
        self._attempts.append(now)
        try:
            return self._open_session(target)
        except UnknownPathError:
            return Refusal(404)
        except PolicyBreachError:
            return Refusal(400)

    async def run_clock(self) -> None:
        """Let the market's time pass as the time of the world does, until it is stopped."""
        start, start_us = trio.current_time(), self.market.now_us
        while not self._stopped.is_set():
            self._advance(start_us + int((trio.current_time() - start) * 1_000_000))
            await trio.sleep(CLOCK_SECONDS)

    async def run_schedule(self, schedule: Sequence[tuple[float, Fault]]) -> None:
        """Make faults at their times, each only when what was subscribed is subscribed again."""
        start = trio.current_time()
        for seconds, fault in sorted(schedule, key=lambda entry: entry[0]):
            with trio.move_on_at(start + seconds):
                await self._calm.wait()
            with trio.move_on_after(RECOVERY_SECONDS):
                await self.subscribers.wait_for_wanted()
            if self._calm.is_set():
                return
            await self.inject(fault)

    def _advance(self, until_us: int) -> None:
        for publication in self.market.advance(until_us):
            self._send(publication)

    def _send(self, publication: Publication) -> None:
        for connection in self.subscribers.of(publication.stream):
            connection.publish(publication)


AnySimulator = Simulator[ExchangeMarket, RestInterface]


@asynccontextmanager
async def open_simulator(
    market: MarketT,
    rest: RestT,
    open_session: OpenSession,
    *,
    rules: Rules,
    counts: Counter[str],
    running: bool,
    schedule: Sequence[tuple[float, Fault]],
) -> AsyncIterator[Simulator[MarketT, RestT]]:
    """Serve a market on two free loopback ports until the block ends.

    `counts` is the one that `rest` counts in. Unless it is `running`, the market's time
    passes only by `step`.
    """
    (websocket_listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    (rest_listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    simulator = Simulator(
        market,
        rest,
        open_session,
        rules,
        counts,
        f"ws://{LOOPBACK}:{_port(websocket_listener)}",
        f"http://{LOOPBACK}:{_port(rest_listener)}",
    )
    websocket = WebSocketServer(simulator.admit, simulator.subscribers, rules, counts)
    http = partial(serve_http, respond=rest.respond, answers=simulator.answers)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, websocket.serve, [websocket_listener])
        nursery.start_soon(trio.serve_listeners, http, [rest_listener])
        if running:
            nursery.start_soon(simulator.run_clock)
        nursery.start_soon(simulator.run_schedule, schedule)
        yield simulator
        nursery.cancel_scope.cancel()


def _port(listener: trio.SocketListener) -> int:
    port: int = listener.socket.getsockname()[1]
    return port
