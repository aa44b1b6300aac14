"""What is planned of an instrument list, and lists of which nothing can be planned."""

from typing import cast

import pytest

from mprism.feeds.errors import NetworkFault, UnknownSymbol
from mprism.feeds.protocol import Request
from mprism.feeds.rest import RestClient
from mprism.feeds.weight import Budgets, Limit
from mprism.nursery.exchange import plan_exchange
from mprism.settings import ExchangeSettings

BTC = b'{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT"}'
LIMIT = b'{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":7}'


class ListRest:
    """Answers every request with one instrument list."""

    def __init__(self, symbols: bytes) -> None:
        self.budgets = Budgets({"weight": Limit(6_000)}, 0.5)
        self._body = b'{"symbols":[%b],"rateLimits":[%b]}' % (symbols, LIMIT)

    async def get(self, request: Request, reserve: float = 0.0) -> bytes:
        return self._body


async def plan(rest: ListRest, *symbols: str) -> list[str]:
    settings = ExchangeSettings(symbols=symbols)
    planned = await plan_exchange("binance_spot", settings, cast(RestClient, rest))
    return [instrument.symbol for instrument in planned.instruments]


async def test_limits_are_read_from_the_exchange() -> None:
    rest = ListRest(BTC)
    assert await plan(rest, "BTC-USDT") == ["BTC-USDT"]
    assert rest.budgets.of("weight").limit == 7


async def test_a_symbol_that_is_not_listed_is_refused_with_what_is_near() -> None:
    with pytest.raises(UnknownSymbol, match=r"'BTC-USDC' \(did you mean BTC-USDT, BTCUSDT\?\)"):
        await plan(ListRest(BTC), "BTC-USDC")


async def test_a_list_of_nothing_is_the_exchange_at_fault() -> None:
    for symbols in (b"", b"{}"):
        with pytest.raises(NetworkFault, match="binance_spot lists no instruments"):
            await plan(ListRest(symbols), "BTC-USDT")
