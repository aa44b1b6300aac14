"""The simulated exchanges of the demo."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from mprism.simulator import (
    AnySimulator,
    deribit_faults,
    okx_faults,
    open_binance,
    open_deribit,
    open_okx,
    standard_faults,
)

STATISTICS_SECONDS = 5.0
"""How long a period of the ratio statistics really is, so that a short run has several."""

POLLING = {
    "open_interest_seconds": 2.0,
    "ratio_seconds": STATISTICS_SECONDS,
    "liquidation_seconds": 3.0,
}
"""How often the collector is configured to ask."""

_DERIBIT = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "BTC-25DEC26")


@asynccontextmanager
async def open_exchanges(
    *, seconds: float, seed: int, rate: float, faults: bool
) -> AsyncIterator[list[AnySimulator]]:
    """All of them, each with `rate` messages a second and its own faults over the run."""
    common = standard_faults(seconds) if faults else ()
    of_okx = okx_faults(seconds) if faults else ()
    of_deribit = deribit_faults(seconds) if faults else ()
    statistics = STATISTICS_SECONDS
    opened = (
        open_binance("spot", seed=seed, rate=rate, schedule=common),
        open_binance(
            "usdm",
            symbols=("BTCUSDT", "ETHUSDT", "BTCUSDT_261225"),
            seed=seed,
            rate=rate,
            schedule=common,
            statistics_seconds=statistics,
        ),
        open_okx("spot", seed=seed, rate=rate, schedule=of_okx),
        open_okx(
            "derivatives", seed=seed, rate=rate, schedule=of_okx, statistics_seconds=statistics
        ),
        open_deribit(symbols=_DERIBIT, seed=seed, rate=rate, schedule=of_deribit),
    )
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(exchange) for exchange in opened]
