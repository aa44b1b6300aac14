"""The REST interface of a Binance market: answers, errors, weights, and faults on demand.

Errors are `{"code", "msg"}` with the exchange's codes. Every answer carries the weight that
was used. A depth answer is the book at the moment of the request: it may be ahead of what
the streams have sent, and it is behind them when it is delayed or stale.
"""

from collections import Counter, deque
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from mprism.simulator.binance.contractrest import ContractRest, Cost
from mprism.simulator.binance.exchange_info import spot_exchange_info, usdm_exchange_info
from mprism.simulator.binance.limits import Limited, RequestLimits
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.query import BadRequestError, Query
from mprism.simulator.binance.venue import Venue
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
from mprism.simulator.rules import Rules


class BinanceRest:
    """Answers requests about `market`. `clock` gives seconds for the limits."""

    def __init__(
        self,
        venue: Venue,
        market: BinanceMarket,
        rules: Rules,
        counts: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        self.limits = RequestLimits(rules)
        self._venue = venue
        self._contracts = ContractRest(market.contracts)
        self._market = market
        self._rules = rules
        self._counts = counts
        self._clock = clock
        self._stale: dict[str, Book] = {}
        self._stale_left = 0
        self._errors: deque[int] = deque()
        self._delays: deque[float] = deque()

    def inject(self, fault: RestFault) -> None:
        """Make `fault` from now on."""
        match fault:
            case StaleSnapshot():
                self._stale = self._market.stale_books()
                self._stale_left += fault.count
            case Throttle():
                self.limits.throttle(fault.retry_after, self._clock())
            case Ban():
                self.limits.ban(fault.retry_after, self._clock())
            case ServerError():
                self._errors.extend([fault.status] * fault.count)
            case SlowAnswer():
                self._delays.extend([fault.seconds] * fault.count)

    def respond(self, request: Request) -> Response:
        """The answer to one request."""
        url = urlsplit(request.target)
        endpoint = url.path.removeprefix(self._venue.rest_prefix)
        query = Query(self._venue, url.query)
        weight, pool = self._cost(endpoint, query)
        limited = self.limits.charge(weight, self._clock(), pool)
        headers = [("X-MBX-USED-WEIGHT-1M", str(self.limits.used_weight))]
        delay = 0.0
        if limited is not None:
            status, body = limited.status, self._limit_error(limited)
            headers.append(("Retry-After", str(limited.retry_after)))
        elif self._errors:
            status, body = self._errors.popleft(), _error(-1000, "An unknown error occurred.")
        else:
            status, body = self._answer(request, endpoint, query)
            delay = self._delays.popleft() if self._delays else 0.0
        self._counts["requests"] += 1
        self._counts[f"requests_{status}"] += 1
        return Response(status, body, headers, delay)

    def _cost(self, endpoint: str, query: Query) -> Cost:
        if endpoint == "depth":
            return Cost(query.depth_weight())
        if endpoint == "exchangeInfo":
            return Cost(self._venue.exchange_info_weight)
        return self._contracts.cost(endpoint, query) if self._venue.contracts else Cost(1)

    def _limit_error(self, limited: Limited) -> bytes:
        if limited.status == 418:
            until_ms = self._now_ms + limited.retry_after * 1_000
            reason = f"Way too many requests; IP(127.0.0.1) banned until {until_ms}"
        else:
            reason = f"Too many requests; current limit of IP(127.0.0.1) is {limited.limit}"
        advice = "Please use the websocket for live updates to avoid bans."
        return _error(-1003, f"{reason}. {advice}")

    @property
    def _now_ms(self) -> int:
        return self._market.now_us // 1_000

    def _answer(self, request: Request, endpoint: str, query: Query) -> tuple[int, bytes]:
        try:
            match endpoint if request.method == "GET" else "":
                case "ping":
                    return 200, b"{}"
                case "time":
                    return 200, msgspec.json.encode({"serverTime": self._server_time(request)})
                case "exchangeInfo":
                    return 200, self._exchange_info(query)
                case "depth":
                    return 200, self._depth(query)
                case other if self._venue.contracts and other:
                    answer = self._contracts.answer(other, query, self._now_ms)
                    if answer is not None:
                        return 200, msgspec.json.encode(answer)
        except BadRequestError as error:
            return 400, _error(error.code, error.msg)
        path = urlsplit(request.target).path
        return 404, _error(-5000, f"Path {path}, Method {request.method} is invalid")

    def _server_time(self, request: Request) -> int:
        asked = request.headers.get("x-mbx-time-unit", "").upper()
        microseconds = self._venue.microseconds and asked == "MICROSECOND"
        return self._market.now_us if microseconds else self._now_ms

    def _exchange_info(self, query: Query) -> bytes:
        limit, now_ms = self._rules.weight_limit, self._now_ms
        listed = self._venue.catalog
        if self._venue.exchange != "binance_spot":
            return msgspec.json.encode(usdm_exchange_info(listed, limit, now_ms))
        wanted = query.symbols()
        if wanted is not None:
            listed = tuple(instrument for instrument in listed if instrument.symbol in wanted)
        return msgspec.json.encode(spot_exchange_info(listed, limit, now_ms))

    def _depth(self, query: Query) -> bytes:
        symbol = query.listed_symbol()
        limit = query.depth_limit()
        book = self._market.book(symbol)
        if book is not None and self._stale_left:
            self._stale_left -= 1
            self._counts["stale_snapshots"] += 1
            book = self._stale[symbol]
        bids, asks = book.top(limit) if book else ([], [])
        # A listed symbol that has never traded.
        answer: dict[str, object] = {"lastUpdateId": book.update_id if book else -1}
        if self._venue.depth_limits:
            answer |= {"E": self._now_ms, "T": self._now_ms - 1}
        return msgspec.json.encode({**answer, "bids": bids, "asks": asks})


def _error(code: int, msg: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": msg})
