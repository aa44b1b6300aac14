"""The REST interface of an OKX market: answers, errors, limits, and faults on demand.

Status 200 says nothing: an error is a `code` other than "0". Only what is asked too often
has status 429. What streams tell as well counts as possible once it was given here, because
a reader may take it from either; ratios are told nowhere else and count as read.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mprism.simulator.book import Book
from mprism.simulator.faults import (
    Ban,
    RestFault,
    ServerError,
    SlowAnswer,
    StaleSnapshot,
    Throttle,
)
from mprism.simulator.http import Request, Response
from mprism.simulator.okx.answers import ENDPOINTS, Answers
from mprism.simulator.okx.limits import RequestLimits
from mprism.simulator.okx.market import OkxMarket
from mprism.simulator.okx.query import BadRequestError, Query
from mprism.simulator.rules import Rules

PREFIX = "/api/v5/"
TOO_MANY, UNAVAILABLE = "50011", "50001"


class OkxRest:
    """Answers requests about `market`. `clock` gives seconds for the limits."""

    def __init__(
        self,
        market: OkxMarket,
        rules: Rules,
        counts: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        self.limits = RequestLimits(rules)
        self._market = market
        self._counts = counts
        self._clock = clock
        self._answers = Answers(market, self._book)
        self._stale: dict[str, Book] = {}
        self._stale_left = 0
        self._errors: deque[int] = deque()
        self._delays: deque[float] = deque()

    def inject(self, fault: RestFault) -> None:
        """Make `fault` from now on. There are no bans here: one throttles."""
        match fault:
            case StaleSnapshot():
                self._stale = self._market.stale_books()
                self._stale_left += fault.count
            case Throttle() | Ban():
                self.limits.throttle(fault.retry_after, self._clock())
            case ServerError():
                self._errors.extend([fault.status] * fault.count)
            case SlowAnswer():
                self._delays.extend([fault.seconds] * fault.count)

    def respond(self, request: Request) -> Response:
        """The answer to one request."""
        status, body = self._respond(request)
        self._counts["requests"] += 1
        self._counts[f"requests_{status}"] += 1
        delay = self._delays.popleft() if self._delays and status == 200 else 0.0
        return Response(status, body, delay=delay)

    def _respond(self, request: Request) -> tuple[int, bytes]:
        url = urlsplit(request.target)
        query = Query(url.query)
        endpoint = ENDPOINTS.get(url.path.removeprefix(PREFIX))
        if endpoint is None or request.method != "GET":
            return 404, _body("404", "Not Found")
        key = url.path, query.get(endpoint.counted_by)
        if not self.limits.admits(key, endpoint.limit, self._clock()):
            return 429, _body(TOO_MANY, "Too Many Requests")
        if self._errors:
            return self._errors.popleft(), _body(UNAVAILABLE, "Service temporarily unavailable")
        try:
            return 200, _body("0", "", endpoint.answer(self._answers, query))
        except BadRequestError as error:
            return 200, _body(error.code, error.msg)

    def _book(self, inst_id: str) -> Book | None:
        if not self._stale_left:
            return self._market.book(inst_id)
        self._stale_left -= 1
        self._counts["stale_snapshots"] += 1
        return self._stale.get(inst_id)


def _body(code: str, msg: str, data: Sequence[Any] = ()) -> bytes:
    return msgspec.json.encode({"code": code, "msg": msg, "data": data})
