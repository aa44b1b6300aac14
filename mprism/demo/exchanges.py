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

# Of each kind one: linear, inverse, dated, quiet, with another funding interval.
_BINANCE_SPOT = ("BTCUSDT", "ETHUSDT")
_BINANCE_DERIVATIVES = ("BTCUSDT", "ETHUSDT", "SUSHIUSDT", "BTCUSDT_261225")
_OKX_SPOT = ("BTC-USDT", "ETH-USDT", "OKB-USDT")
_OKX_DERIVATIVES = (
    "BTC-USDT-SWAP",
    "BTC-USD-SWAP",
    "SOL-USDT-SWAP",
    "BTC-USD-261225",
    "BTC-USD_UM_XPERP-310404",
)
_DERIBIT = ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "BTC-25DEC26")
_HEARTBEAT_SECONDS = 2.0  # of a still book at OKX; really a minute


@asynccontextmanager
async def open_exchanges(
    *, seconds: float, seed: int, rate: float, faults: bool
) -> AsyncIterator[list[AnySimulator]]:
    """All of them, each with `rate` messages a second and its own faults over the run."""
    common = standard_faults(seconds) if faults else ()
    of_okx = okx_faults(seconds) if faults else ()
    of_deribit = deribit_faults(seconds) if faults else ()
    opened = (
        open_binance("spot", symbols=_BINANCE_SPOT, seed=seed, rate=rate, schedule=common),
        open_binance(
            "usdm",
            symbols=_BINANCE_DERIVATIVES,
            seed=seed,
            rate=rate,
            schedule=common,
            statistics_seconds=STATISTICS_SECONDS,
        ),
        open_okx(
            "spot",
            symbols=_OKX_SPOT,
            seed=seed,
            rate=rate,
            schedule=of_okx,
            heartbeat_seconds=_HEARTBEAT_SECONDS,
        ),
        open_okx(
            "derivatives",
            symbols=_OKX_DERIVATIVES,
            seed=seed,
            rate=rate,
            schedule=of_okx,
            statistics_seconds=STATISTICS_SECONDS,
            heartbeat_seconds=_HEARTBEAT_SECONDS,
        ),
        open_deribit(symbols=_DERIBIT, seed=seed, rate=rate, schedule=of_deribit),
    )
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(exchange) for exchange in opened]
