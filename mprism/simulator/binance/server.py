"""Opening and closing a simulated Binance market: two listeners on loopback, a clock."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from mprism.simulator.binance.catalog import select
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.simulator import BinanceSimulator
from mprism.simulator.binance.venue import VENUES, Market
from mprism.simulator.faults import Fault
from mprism.simulator.http import serve_http
from mprism.simulator.rules import Rules
from mprism.simulator.websocket import WebSocketServer

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def open_binance(
    market: Market,
    *,
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
    seed: int = 0,
    rate: float = 100.0,
    levels: int = 1500,
    rules: Rules | None = None,
    schedule: Sequence[tuple[float, Fault]] = (),
    start_ms: int | None = None,
) -> AsyncIterator[BinanceSimulator]:
    """Serve a market on free loopback ports until the block ends.

    `rate` is in messages a second, of all symbols together; with rate 0 nothing happens but
    by `step`. The market's time begins at `start_ms`, by default now. `levels` is the depth
    of the true books a side. `schedule` holds (seconds after the opening, fault). Raises
    ValueError for symbols that cannot be traded here.
    """
    venue = VENUES[market]
    rules = rules or venue.rules
    state = BinanceMarket(
        venue,
        select(venue.catalog, tuple(symbols)),
        seed=seed,
        rate=rate,
        levels=levels,
        start_us=time.time_ns() // 1_000 if start_ms is None else start_ms * 1_000,
    )
    (websocket_listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    (rest_listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    simulator = BinanceSimulator(
        venue,
        state,
        rules,
        f"ws://{LOOPBACK}:{_port(websocket_listener)}",
        f"http://{LOOPBACK}:{_port(rest_listener)}",
    )
    websocket = WebSocketServer(simulator.admit, simulator.subscribers, rules, simulator.counts)
    http = partial(serve_http, respond=simulator.rest.respond)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, websocket.serve, [websocket_listener])
        nursery.start_soon(trio.serve_listeners, http, [rest_listener])
        if rate:
            nursery.start_soon(simulator.run_clock)
        nursery.start_soon(simulator.run_schedule, schedule)
        yield simulator
        nursery.cancel_scope.cancel()


def _port(listener: trio.SocketListener) -> int:
    port: int = listener.socket.getsockname()[1]
    return port
