"""A simulated Binance market's REST interface, asked without a socket, on a clock of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from mprism.simulator.binance.catalog import select
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.rest import BinanceRest
from mprism.simulator.binance.venue import VENUES, Market
from mprism.simulator.http import Request, Response
from mprism.simulator.rules import Rules

START_MS = 1_800_000_000_000
LEVELS = 1_200


class Api:
    """A market's REST interface with a clock that the test moves."""

    def __init__(
        self,
        market: Market,
        *,
        symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
        start_ms: int = START_MS,
        statistics_seconds: float = 300.0,
        levels: int = LEVELS,
        rate: float = 200.0,
        **rules: Any,
    ) -> None:
        self.venue = VENUES[market]
        self.rules: Rules = replace(self.venue.rules, **rules)
        self.market = BinanceMarket(
            self.venue,
            select(self.venue.catalog, tuple(symbols)),
            seed=3,
            rate=rate,
            levels=levels,
            start_us=start_ms * 1_000,
            statistics_seconds=statistics_seconds,
        )
        self.truth = self.market.truth()
        self.now = 1_000.0
        self.counts: Counter[str] = Counter()
        self.rest = BinanceRest(self.venue, self.market, self.rules, self.counts, lambda: self.now)

    def ask(self, target: str, method: str = "GET", **headers: str) -> Response:
        """The answer to a request for this path and query."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.rest.respond(Request(method, target, names))

    def get(self, path: str, method: str = "GET", **headers: str) -> Response:
        """The same below the market's usual prefix."""
        return self.ask(self.venue.rest_prefix + path, method, **headers)

    def json(self, path: str) -> Any:
        """The body of an answer that must be a good one."""
        return decoded(self.get(path))

    def advance(self, seconds: float) -> list[tuple[str, Any]]:
        """Let time pass; what is published meanwhile, as (stream, message)."""
        self.now += seconds
        return [
            (each.stream, msgspec.json.decode(each.payload(combined=False, unit=1_000)))
            for each in self._publications(seconds)
        ]

    def _publications(self, seconds: float) -> list[Any]:
        # Not in one go, because a market that was held up leaves time out.
        end_us = self.market.now_us + int(seconds * 1_000_000)
        publications: list[Any] = []
        while self.market.now_us < end_us:
            publications += self.market.advance(min(end_us, self.market.now_us + 500_000))
        return publications


def decoded(response: Response) -> Any:
    """The body of an answer that must be a good one."""
    assert response.status == 200, response.body
    return msgspec.json.decode(response.body)


def weight(response: Response) -> int:
    """The weight that the answer says is used."""
    return int(dict(response.headers)["X-MBX-USED-WEIGHT-1M"])


def error(response: Response) -> tuple[int, int]:
    """The status and the code of a refusal."""
    body = msgspec.json.decode(response.body)
    assert body.keys() == {"code", "msg"}
    return response.status, body["code"]
