"""Simulated markets as a collector meets them, behind gates where a test wants them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from mprism.settings import ExchangeSettings
from mprism.simulator import BinanceSimulator, open_binance
from mprism.simulator.binance.venue import VENUES
from tests.socket.gate import Gate, open_gate


class Market(NamedTuple):
    """One simulated market, and the gates before it where it was opened with them."""

    simulator: BinanceSimulator
    websocket: Gate | None
    rest: Gate | None

    def endpoints(self, settings: ExchangeSettings) -> ExchangeSettings:
        """`settings` with this market's addresses and symbols."""
        simulator = self.simulator
        symbols = [
            f"{instrument.base}-{instrument.quote}"
            for name in simulator.truth.symbols
            for instrument in (simulator.market.feeds[name].market.instrument,)
        ]
        return msgspec.structs.replace(
            settings,
            symbols=tuple(symbols),
            websocket_url=_through(simulator.websocket_url, self.websocket),
            rest_url=_through(simulator.rest_url, self.rest),
        )


Markets = AbstractAsyncContextManager[list[Market]]


def _through(url: str, gate: Gate | None) -> str:
    return url if gate is None else f"{urlsplit(url).scheme}://127.0.0.1:{gate.port}"


@asynccontextmanager
async def open_markets(
    *names: str, rate: float = 0, gated: bool = False, rules: Mapping[str, Any] | None = None
) -> AsyncIterator[list[Market]]:
    """`spot`, `usdm` or both, behind gates if wanted. `rules` replace those of each market."""
    async with AsyncExitStack() as stack:
        markets = []
        for name in names or ("spot", "usdm"):
            simulator = await stack.enter_async_context(
                open_binance(
                    name,  # type: ignore[arg-type]
                    rate=rate,
                    levels=500,
                    rules=replace(VENUES[name].rules, **(rules or {})),  # type: ignore[index]
                )
            )
            gates: list[Gate] = [
                await stack.enter_async_context(open_gate(urlsplit(url).port or 0))
                for url in (simulator.websocket_url, simulator.rest_url)
                if gated
            ]
            websocket, rest = gates if gated else (None, None)
            markets.append(Market(simulator, websocket, rest))
        yield markets
