"""Opening and closing a simulated OKX market."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from urllib.parse import urlsplit

import trio

from mprism.simulator.faults import (
    Fault,
    MissingSnapshot,
    ResetSequence,
    Schedule,
    ServerShutdown,
    standard_faults,
)
from mprism.simulator.okx.catalog import CATALOGS, DEFAULT_SYMBOLS, Kind, select
from mprism.simulator.okx.market import OkxMarket, Path
from mprism.simulator.okx.rest import OkxRest
from mprism.simulator.okx.session import OkxSession
from mprism.simulator.rules import Rules
from mprism.simulator.session import UnknownPathError
from mprism.simulator.simulator import Simulator, open_simulator

OkxSimulator = Simulator[OkxMarket, OkxRest]

RULES = Rules(
    ping_interval=20.0,
    pong_timeout=60.0,
    inbound_per_second=1_000,  # there is no such limit
    weight_limit=1_000,
    weight_window=2.0,
    connection_attempts=3,
    connection_window=1.0,
    requests=480,
    request_window=3_600.0,
    idle_timeout=30.0,
    idle_code=4004,
)

_PATHS: dict[str, Path] = {"/ws/v5/public": "public", "/ws/v5/business": "business"}


def okx_faults(seconds: float) -> Schedule:
    """A schedule for a run of this length: the common faults, and those of OKX."""
    return standard_faults(
        seconds,
        books="books",
        own=(
            # Books come back by REST then, just when that fails.
            (0.28, MissingSnapshot()),
            (0.46, MissingSnapshot()),
            (0.52, MissingSnapshot()),
            (0.82, MissingSnapshot()),
            (0.50, ResetSequence()),
            (0.60, ServerShutdown(close_after=min(1.0, seconds / 20))),
        ),
    )


@asynccontextmanager
async def open_okx(
    kind: Kind,
    *,
    symbols: Sequence[str] | None = None,
    seed: int = 0,
    rate: float = 100.0,
    levels: int = 400,
    rules: Rules = RULES,
    schedule: Sequence[tuple[float, Fault]] = (),
    start_ms: int | None = None,
    statistics_seconds: float = 300.0,
    heartbeat_seconds: float = 60.0,
) -> AsyncIterator[OkxSimulator]:
    """Serve a market on free loopback ports until the block ends.

    `rate` is in messages a second, of all symbols together; with rate 0 nothing happens but
    by `step`. The market's time begins at `start_ms`, by default now. `levels` is the depth
    of the true books a side, at most 400. `schedule` holds (seconds after the opening,
    fault). A period of the ratios really lasts `statistics_seconds`; a still book sends an
    empty update every `heartbeat_seconds`. Raises ValueError for symbols that cannot be
    traded here.
    """
    counts: Counter[str] = Counter()
    market = OkxMarket(
        kind,
        select(CATALOGS[kind], DEFAULT_SYMBOLS[kind] if symbols is None else symbols),
        seed=seed,
        rate=rate,
        levels=levels,
        start_us=time.time_ns() // 1_000 if start_ms is None else start_ms * 1_000,
        heartbeat_us=round(heartbeat_seconds * 1_000_000),
        statistics_us=round(statistics_seconds * 1_000_000),
    )
    names = Random(seed)

    def open_session(target: str) -> OkxSession:
        path = _PATHS.get(urlsplit(target).path)
        if path is None:
            raise UnknownPathError(target)
        connection_id = f"{names.getrandbits(32):08x}"
        return OkxSession(market.openings[path], connection_id, rules, trio.current_time)

    async with open_simulator(
        market,
        OkxRest(market, rules, counts, trio.current_time),
        open_session,
        rules=rules,
        counts=counts,
        running=rate > 0,
        schedule=schedule,
    ) as simulator:
        yield simulator
