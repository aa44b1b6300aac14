"""A simulated Deribit without sockets: a market, a session and REST, on a clock by hand."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode

import msgspec

from mprism.simulator.deribit.catalog import select
from mprism.simulator.deribit.credits import Credits
from mprism.simulator.deribit.deals import StreamedFlags
from mprism.simulator.deribit.market import DeribitMarket
from mprism.simulator.deribit.methods import PublicMethods
from mprism.simulator.deribit.rest import DeribitRest
from mprism.simulator.deribit.server import RULES
from mprism.simulator.deribit.session import DeribitSession
from mprism.simulator.http import Request, Response
from mprism.simulator.rules import Rules
from mprism.simulator.wire import Publication

START_MS = 1_790_000_000_000
START_US = START_MS * 1_000
SECOND = 1_000_000
CONTRACTS = ("BTC-PERPETUAL", "ETH-PERPETUAL", "SOL_USDC-PERPETUAL", "BTC-25DEC26")


def open_market(
    names: tuple[str, ...] = CONTRACTS,
    *,
    seed: int = 1,
    rate: float = 200.0,
    levels: int = 60,
    streamed: StreamedFlags = "some",
) -> DeribitMarket:
    return DeribitMarket(
        select(names), seed=seed, rate=rate, levels=levels, start_us=START_US, streamed=streamed
    )


def payload(publication: Publication) -> bytes:
    return publication.payload(combined=False, unit=1_000)


def sent(market: DeribitMarket, seconds: float, step_us: int = SECOND) -> list[Any]:
    """Everything that is published in so many seconds: the `params` of the messages."""
    end = market.now_us + int(seconds * SECOND)
    messages = []
    while market.now_us < end:
        for publication in market.advance(min(end, market.now_us + step_us)):
            message = msgspec.json.decode(payload(publication))
            assert message["params"]["channel"] == publication.stream
            assert (message["jsonrpc"], message["method"]) == ("2.0", "subscription")
            messages.append(message["params"])
    return messages


def data_of(messages: list[Any], channel: str) -> list[Any]:
    return [message["data"] for message in messages if message["channel"] == channel]


class Scene:
    """One client of a market, on WebSocket and REST. `now` is its clock in seconds."""

    def __init__(
        self,
        market: DeribitMarket | None = None,
        rules: Rules = RULES,
        *,
        fractions: bool = False,
    ) -> None:
        self.now = 100.0
        self.market = market or open_market()
        self.counts: Counter[str] = Counter()
        self.limits = Credits(rules)
        self._rules = rules
        self._methods = PublicMethods(self.market, fractions=fractions)
        self.rest = DeribitRest(
            self.market, self._methods, self.limits, self.counts, lambda: self.now
        )
        self.session = self.connect()

    def connect(self) -> DeribitSession:
        """Another connection of the same client."""
        return DeribitSession(
            self.market, self._methods, self.limits, self._rules, self.counts, lambda: self.now
        )

    def replies(self, text: str) -> list[Any]:
        """Every message that answers this text."""
        replies = self.session.receive(text)
        raw = [payload(r) if isinstance(r, Publication) else r for r in replies]
        return [msgspec.json.decode(message) for message in raw]

    def call(self, method: str, id_: object = 7, **params: object) -> Any:
        """The answer to a call, without what follows it."""
        return self.calls(method, id_, **params)[0]

    def calls(self, method: str, id_: object = 7, **params: object) -> list[Any]:
        """The answer to a call and what follows it."""
        message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        return self.replies(msgspec.json.encode(message).decode())

    def subscribe(self, *channels: str) -> list[Any]:
        """The answer to a subscription and the messages that begin its channels."""
        return self.calls("public/subscribe", channels=channels)

    def get(self, method: str, **params: object) -> Response:
        """The answer of REST."""
        target = f"/api/v2/public/{method}?{urlencode(params)}"
        return self.rest.respond(Request("GET", target, {}))

    def result(self, method: str, **params: object) -> Any:
        """The result of a REST call that succeeds."""
        response = self.get(method, **params)
        assert response.status == 200, response.body
        return msgspec.json.decode(response.body)["result"]
