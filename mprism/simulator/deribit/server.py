"""Opening and closing a simulated Deribit."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from mprism.simulator.deribit.catalog import select
from mprism.simulator.deribit.credits import Credits
from mprism.simulator.deribit.deals import StreamedFlags
from mprism.simulator.deribit.market import DeribitMarket
from mprism.simulator.deribit.methods import PublicMethods
from mprism.simulator.deribit.rest import DeribitRest
from mprism.simulator.deribit.session import DeribitSession
from mprism.simulator.faults import (
    Fault,
    LoseFrames,
    Maintenance,
    MissingSnapshot,
    Schedule,
    standard_faults,
)
from mprism.simulator.rules import Rules
from mprism.simulator.session import UnknownPathError
from mprism.simulator.simulator import Simulator, open_simulator

DeribitSimulator = Simulator[DeribitMarket, DeribitRest]

PATH = "/ws/api/v2"

# Its pings are the simulator's own: their answers say what was read.
RULES = Rules(
    ping_interval=20.0,
    pong_timeout=60.0,
    inbound_per_second=1_000,
    weight_limit=50_000,
    weight_window=5.0,
    max_connections=32,
)


def deribit_faults(seconds: float) -> Schedule:
    """A schedule for a run of this length: the common faults, and those of Deribit."""
    return standard_faults(
        seconds,
        books="book.",
        own=(
            (0.38, MissingSnapshot()),
            (0.38, LoseFrames(1, "book.")),
            (0.60, Maintenance(min(1.0, seconds / 20))),
        ),
    )


@asynccontextmanager
async def open_deribit(
    *,
    symbols: Sequence[str] = ("BTC-PERPETUAL", "ETH-PERPETUAL"),
    seed: int = 0,
    rate: float = 100.0,
    levels: int = 500,
    rules: Rules | None = None,
    schedule: Sequence[tuple[float, Fault]] = (),
    start_ms: int | None = None,
    statistics_seconds: float = 300,
    streamed_flags: StreamedFlags = "some",
    fractions: bool = False,
) -> AsyncIterator[DeribitSimulator]:
    """Serve a market on free loopback ports until the block ends.

    `rate` is in trades and book updates a second, of all contracts together; with rate 0
    time passes only by `step`. The market's time begins at `start_ms`, by default now.
    `levels` is the depth of the true books a side. `schedule` holds (seconds after the
    opening, fault). `statistics_seconds` is for exchanges with ratio statistics: there are
    none here. `streamed_flags` says which liquidations are flagged in streamed trades; REST
    flags all. With `fractions`, candles are written as fractions instead of percent points.
    Raises ValueError for symbols that cannot be traded here.
    """
    rules = rules or RULES
    counts: Counter[str] = Counter()
    market = DeribitMarket(
        select(tuple(symbols)),
        seed=seed,
        rate=rate,
        levels=levels,
        start_us=time.time_ns() // 1_000 if start_ms is None else start_ms * 1_000,
        streamed=streamed_flags,
    )
    methods = PublicMethods(market, fractions=fractions)
    limits = Credits(rules)

    def open_session(target: str) -> DeribitSession:
        if urlsplit(target).path != PATH:
            raise UnknownPathError(target)
        return DeribitSession(market, methods, limits, rules, counts, trio.current_time)

    async with open_simulator(
        market,
        DeribitRest(market, methods, limits, counts, trio.current_time),
        open_session,
        rules=rules,
        counts=counts,
        running=rate > 0,
        schedule=schedule,
    ) as simulator:
        yield simulator
