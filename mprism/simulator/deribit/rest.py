"""Deribit's REST interface: the public methods by GET, with credits, and faults on demand.

Answers have the form that they have over WebSocket, without an id. An error has status 400;
without credits it is 429. There is no `Retry-After`: credits come back steadily.
"""

import math
from collections import Counter, deque
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from mprism.simulator.deribit.credits import Credits
from mprism.simulator.deribit.market import DeribitMarket
from mprism.simulator.deribit.methods import PublicMethods
from mprism.simulator.deribit.rpc import TOO_MANY_REQUESTS, Params, RpcError, answer
from mprism.simulator.faults import (
    Ban,
    RestFault,
    ServerError,
    SlowAnswer,
    StaleSnapshot,
    Throttle,
)
from mprism.simulator.http import Request, Response

PREFIX = "/api/v2/"


class DeribitRest:
    """Answers requests about `market`. `clock` gives seconds for the credits."""

    def __init__(
        self,
        market: DeribitMarket,
        methods: PublicMethods,
        limits: Credits,
        counts: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        self._market = market
        self._methods = methods
        self._limits = limits
        self._counts = counts
        self._clock = clock
        self._throttled_until = -math.inf
        self._errors: deque[int] = deque()
        self._delays: deque[float] = deque()

    def inject(self, fault: RestFault) -> None:
        """Make `fault` from now on. A ban is no other thing than a throttling here."""
        match fault:
            case StaleSnapshot():
                self._methods.grow_stale(fault.count)
            case Throttle() | Ban():
                self._throttled_until = self._clock() + fault.retry_after
            case ServerError():
                self._errors.extend([fault.status] * fault.count)
            case SlowAnswer():
                self._delays.extend([fault.seconds] * fault.count)

    def respond(self, request: Request) -> Response:
        """The answer to one request."""
        url = urlsplit(request.target)
        method = url.path.removeprefix(PREFIX)
        delay, now = 0.0, self._clock()
        if now < self._throttled_until or not self._limits.charge(method, now):
            error = RpcError(TOO_MANY_REQUESTS, "too_many_requests")
            status, body = 429, answer(self._market.now_us, error=error.body())
        elif self._errors:
            status, body = self._errors.popleft(), b"<html>503 Service Unavailable</html>"
        else:
            status, body = self._answer(request.method, method, url.query)
            delay = self._delays.popleft() if self._delays else 0.0
        self._counts["requests"] += 1
        self._counts[f"requests_{status}"] += 1
        return Response(status, body, delay=delay)

    def _answer(self, verb: str, method: str, query: str) -> tuple[int, bytes]:
        now_us = self._market.now_us
        params = Params(dict(parse_qsl(query, keep_blank_values=True)))
        try:
            result = self._methods.call(method if verb == "GET" else "", params)
        except RpcError as error:
            return 400, answer(now_us, error=error.body())
        return 200, answer(now_us, result=result)
