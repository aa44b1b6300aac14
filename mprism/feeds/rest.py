"""REST requests of one exchange, within its limits. The one user of httpx.

All requests of an exchange share one client: its budgets, its pauses after 429 and 418, and
a small number of requests at a time. Who waits for a budget does not keep others from theirs.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time
from typing import Final

import httpx
import structlog
import trio

from mprism.feeds.errors import FeedError, NetworkFault, Throttled, failure_of_status
from mprism.feeds.protocol import WEIGHT, Request
from mprism.feeds.weight import Budgets

logger = structlog.get_logger()

_AT_ONCE = 2
_ERROR_BYTES = 200
_WEIGHT_DIGITS = 10
_USED_WEIGHT = "x-mbx-used-weight-1m"
_BANNED: Final = 418

FailureOf = Callable[[int, bytes], FeedError | None]
"""The failure that an exchange tells in an answer's body, by its status and the body."""


class RestClient:
    """REST requests of one exchange. Made by `open_rest`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        budgets: Budgets,
        timeout_seconds: float,
        failure_of: FailureOf = lambda status, body: None,
        clock: Callable[[], float] = time,
    ) -> None:
        self.budgets = budgets
        self._timeout_seconds = timeout_seconds
        self._client = client
        self._failure_of = failure_of
        self._clock = clock
        self._turns = trio.CapacityLimiter(_AT_ONCE)

    async def get(self, request: Request, reserve: float = 0.0) -> bytes:
        """The body of the answer. Waits for weight; raises NetworkFault, Throttled, Refused.

        `reserve` is the part of our share of the limit that this request leaves to others.
        """
        budget = self.budgets.of(request.pool)
        while True:
            # Asked again after each wait: another request may have been told to pause.
            while (delay := budget.delay(request.weight, self._clock(), reserve)) > 0:  # noqa: ASYNC110
                await trio.sleep(delay)
            async with self._turns:
                if budget.delay(request.weight, self._clock(), reserve) > 0:
                    continue
                budget.spend(request.weight, self._clock())
                answer = await self._answer(request)
            break
        self._note_weight(answer)
        if failure := self._failure(request, answer):
            raise failure
        return answer.content

    def imposed_wait(self, request: Request) -> float:
        """Seconds that the exchange has told us to wait before such a request; 0 for none."""
        return max(0.0, self.budgets.of(request.pool).resume_at - self._clock())

    def _failure(self, request: Request, answer: httpx.Response) -> FeedError | None:
        status, now = answer.status_code, self._clock()
        failure = self._failure_of(status, answer.content) or failure_of_status(
            status, f"GET {request.path}", answer.headers.get("retry-after"), now=now
        )
        if isinstance(failure, Throttled):
            if status == _BANNED:
                self.budgets.ban(failure.retry_after_seconds, now)
            self.budgets.of(request.pool).pause(failure.retry_after_seconds, now)
            logger.warning(
                "requests paused",
                host=self._client.base_url.host,
                pool="all" if status == _BANNED else request.pool,
                seconds=round(failure.retry_after_seconds, 3),
                reason=str(failure),
            )
        if failure is not None:
            # Not by the character set that the answer names, which may be any nonsense.
            failure.add_note(answer.content[:_ERROR_BYTES].decode(errors="replace"))
        return failure

    async def _answer(self, request: Request) -> httpx.Response:
        """One exchange of request and answer, whole within its time: answers can trickle."""
        path = request.path
        try:
            with trio.fail_after(self._timeout_seconds):
                return await self._client.get(path, params=dict(request.parameters))
        except trio.TooSlowError:
            raise NetworkFault(
                f"GET {path}: no whole answer within {self._timeout_seconds:g} s"
            ) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NetworkFault(f"GET {path}: {type(error).__name__} {error}") from error

    def _note_weight(self, answer: httpx.Response) -> None:
        used = answer.headers.get(_USED_WEIGHT, "")
        if used.isdecimal() and len(used) < _WEIGHT_DIGITS:
            self.budgets.of(WEIGHT).observe(int(used), self._clock())


@asynccontextmanager
async def open_rest(
    base_url: str,
    budgets: Budgets,
    *,
    timeout_seconds: float,
    user_agent: str,
    failure_of: FailureOf = lambda status, body: None,
) -> AsyncIterator[RestClient]:
    """A client for `base_url`, whose requests may take `timeout_seconds` each.

    Proxies of the environment are not used: WebSockets would go past them.
    """
    async with httpx.AsyncClient(
        base_url=base_url,
        timeout=timeout_seconds,
        headers={"user-agent": user_agent},
        follow_redirects=False,
        trust_env=False,
    ) as client:
        yield RestClient(client, budgets, timeout_seconds, failure_of)
