"""The REST interface of a simulated OKX market, asked without sockets."""

from collections import Counter
from typing import Any

import msgspec

from mprism.simulator.http import Request, Response
from mprism.simulator.okx.catalog import CATALOGS, DEFAULT_SYMBOLS, Kind, select
from mprism.simulator.okx.market import OkxMarket
from mprism.simulator.okx.rest import OkxRest
from mprism.simulator.okx.server import RULES
from mprism.simulator.rules import Rules

START_US = 1_800_000_001_000_000  # in the middle of a period of the ratios
SECOND = 1_000_000
SWAP = "BTC-USDT-SWAP"


def open_market(
    kind: Kind = "derivatives", *, seed: int = 1, rate: float = 300.0, levels: int = 60
) -> OkxMarket:
    """The default instruments of one kind."""
    return OkxMarket(
        kind,
        select(CATALOGS[kind], DEFAULT_SYMBOLS[kind]),
        seed=seed,
        rate=rate,
        levels=levels,
        start_us=START_US,
        heartbeat_us=60 * SECOND,
        statistics_us=5 * SECOND,
    )


class Api:
    """Asks the interface of a market; time passes only by `advance` and by `now`."""

    def __init__(self, kind: Kind = "derivatives", rules: Rules = RULES) -> None:
        self.market = open_market(kind)
        self.counts: Counter[str] = Counter()
        self.now = 0.0
        self.rest = OkxRest(self.market, rules, self.counts, lambda: self.now)

    def get(self, path: str, method: str = "GET") -> Response:
        return self.rest.respond(Request(method, f"/api/v5/{path}", {}))

    def answer(self, path: str) -> Any:
        response = self.get(path)
        assert response.status == 200
        return msgspec.json.decode(response.body)

    def data(self, path: str) -> Any:
        answer = self.answer(path)
        assert (answer["code"], answer["msg"]) == ("0", "")
        return answer["data"]

    def advance(self, seconds: float) -> None:
        end = self.market.now_us + round(seconds * SECOND)
        while self.market.now_us < end:
            for _ in self.market.advance(min(end, self.market.now_us + SECOND // 10)):
                pass
