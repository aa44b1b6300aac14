"""What it costs to decode and normalise each exchange's messages, by their type.

In memory: the simulated exchanges hand their messages to the collector's protocols directly,
and time is moved by hand. The messages are the same in every run.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial

import msgspec
import trio
from trio.testing import MockClock

from benchmarks.costs import Cost, Costs
from benchmarks.direct import DirectConnection, DirectPoll, Misread, answer
from mprism.feeds.errors import FeedError, UnknownSymbol
from mprism.feeds.instrument import select
from mprism.feeds.registry import VENUES
from mprism.feeds.venue import Plan
from mprism.settings import DEFAULTS, ExchangeName, PollingSettings
from mprism.simulator import AnySimulator, open_binance, open_deribit, open_okx
from mprism.simulator.session import PolicyBreachError

SECONDS = 30.0
"""How much time of the market passes: enough for several of each periodic message."""

_START_MS = 1_790_000_000_000
_STEP_MS = 100
_STATISTICS_SECONDS = 5.0
_POLLING = PollingSettings(
    open_interest_seconds=2.0, ratio_seconds=_STATISTICS_SECONDS, liquidation_seconds=3.0
)

SIMULATORS: dict[ExchangeName, Callable[..., AbstractAsyncContextManager[AnySimulator]]] = {
    "binance_spot": partial(open_binance, "spot"),
    "binance_derivatives": partial(open_binance, "usdm"),
    "okx_spot": partial(open_okx, "spot"),
    "okx_derivatives": partial(open_okx, "derivatives"),
    "deribit_derivatives": open_deribit,
}


def measure(
    exchanges: Iterable[ExchangeName] = tuple(VENUES), seconds: float = SECONDS
) -> tuple[list[Cost], list[str]]:
    """The costs, and of each exchange that was misread what was wrong.

    One that was misread has no costs. `seconds` are of the market's time.
    """
    costs: list[Cost] = []
    misread: list[str] = []
    for name in exchanges:
        clock = MockClock()
        try:
            costs += trio.run(_measure, name, seconds, clock, clock=clock)
        except* (Misread, FeedError, UnknownSymbol, PolicyBreachError) as errors:
            misread += [f"{name}: {error}" for error in errors.exceptions]
    return costs, misread


async def _measure(name: ExchangeName, seconds: float, clock: MockClock) -> list[Cost]:
    costs = Costs(name)
    async with SIMULATORS[name](
        rate=0, seed=1, start_ms=_START_MS, statistics_seconds=_STATISTICS_SECONDS
    ) as simulator:
        plan = _plan(name, simulator)
        connections = [DirectConnection(part, simulator, costs) for part in plan.connections]
        polls = [DirectPoll(part, simulator, costs) for part in plan.polls]
        for _ in range(round(seconds * 1_000 / _STEP_MS)):
            _step(simulator, connections, polls)
            clock.jump(_STEP_MS / 1_000)
        for connection in connections:
            connection.check()
    if missing := set(DEFAULTS[name].data_types) - costs.data_types:
        raise Misread(f"there was no {', '.join(sorted(missing))}")
    return costs.summary()


def _plan(name: ExchangeName, simulator: AnySimulator) -> Plan:
    """The plan for all that the exchange has, of the symbols that have a market."""
    settings = msgspec.structs.replace(
        DEFAULTS[name],
        symbols=simulator.truth.symbols,
        websocket_url=simulator.websocket_url,
        rest_url=simulator.rest_url,
        polling=_POLLING,
    )
    venue = VENUES[name]
    bodies = [answer(simulator, request) for request in venue.instrument_requests(settings)]
    listed = venue.parse_instruments(bodies).instruments
    return venue.plan(settings, select(listed, settings.symbols, name), listed)


def _step(
    simulator: AnySimulator, connections: Iterable[DirectConnection], polls: Iterable[DirectPoll]
) -> None:
    """One order in each symbol, and what the exchange tells in the next 100 ms."""
    market = simulator.market
    market.trade(1)
    publications = list(market.advance(market.now_us + _STEP_MS * 1_000))
    for connection in connections:
        connection.wake(trio.current_time())
        connection.receive(publications)
    for poll in polls:
        poll.ask_if_due()
