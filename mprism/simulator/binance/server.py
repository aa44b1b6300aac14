"""Opening and closing a simulated Binance market."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from mprism.simulator.binance.catalog import select
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.rest import BinanceRest
from mprism.simulator.binance.session import BinanceSession
from mprism.simulator.binance.target import parse_target
from mprism.simulator.binance.venue import VENUES, Market
from mprism.simulator.faults import Fault
from mprism.simulator.rules import Rules
from mprism.simulator.simulator import Simulator, open_simulator

BinanceSimulator = Simulator[BinanceMarket, BinanceRest]


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
    statistics_seconds: float = 300.0,
) -> AsyncIterator[BinanceSimulator]:
    """Serve a market on free loopback ports until the block ends.

    `rate` is in messages a second, of all symbols together; with rate 0 nothing happens but
    by `step`. The market's time begins at `start_ms`, by default now. `levels` is the depth
    of the true books a side. `schedule` holds (seconds after the opening, fault). A `5m`
    period of USD-M statistics really lasts `statistics_seconds`. Raises ValueError for symbols
    that cannot be traded here.
    """
    venue = VENUES[market]
    rules = rules or venue.rules
    counts: Counter[str] = Counter()
    state = BinanceMarket(
        venue,
        select(venue.catalog, tuple(symbols)),
        seed=seed,
        rate=rate,
        levels=levels,
        start_us=time.time_ns() // 1_000 if start_ms is None else start_ms * 1_000,
        statistics_seconds=statistics_seconds,
    )
    served = venue.streams(state.feeds)

    def open_session(target: str) -> BinanceSession:
        return BinanceSession(
            parse_target(venue, target),
            served,
            nested_errors=venue.nested_errors,
            max_streams=rules.max_streams,
        )

    async with open_simulator(
        state,
        BinanceRest(venue, state, rules, counts, trio.current_time),
        open_session,
        rules=rules,
        counts=counts,
        running=rate > 0,
        schedule=schedule,
    ) as simulator:
        yield simulator
