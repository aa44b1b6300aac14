"""REST requests of one exchange, within its limits. The one user of httpx.

All requests of an exchange share one client: its weight budget, its pauses after 429 and
418, and a small number of requests at a time.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import time

import httpx
import trio

from mprism.feeds.errors import NetworkFault, Throttled, failure_of_status
from mprism.feeds.weight import WeightBudget

_AT_ONCE = 2
_ERROR_BYTES = 200
_WEIGHT_DIGITS = 10
_USED_WEIGHT = "x-mbx-used-weight-1m"


class RestClient:
    """REST requests of one exchange. Made by `open_rest`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        budget: WeightBudget,
        timeout_seconds: float,
        clock: Callable[[], float] = time,
    ) -> None:
        self.budget = budget
        self._timeout_seconds = timeout_seconds
        self._client = client
        self._clock = clock
        self._turns = trio.CapacityLimiter(_AT_ONCE)

    async def get(self, path: str, parameters: Mapping[str, str | int], weight: int) -> bytes:
        """The body of the answer. Waits for weight; raises NetworkFault, Throttled, Refused."""
        async with self._turns:
            # Asked again after each wait: another request may have been told to pause.
            while (delay := self.budget.delay(weight, self._clock())) > 0:  # noqa: ASYNC110
                await trio.sleep(delay)
            self.budget.spend(weight, self._clock())
            answer = await self._answer(path, parameters)
        self._note_weight(answer)
        failure = failure_of_status(
            answer.status_code,
            f"GET {path}",
            answer.headers.get("retry-after"),
            now=self._clock(),
        )
        if isinstance(failure, Throttled):
            self.budget.pause(failure.retry_after_seconds, self._clock())
        if failure is not None:
            # Not by the character set that the answer names, which may be any nonsense.
            failure.add_note(answer.content[:_ERROR_BYTES].decode(errors="replace"))
            raise failure
        return answer.content

    async def _answer(self, path: str, parameters: Mapping[str, str | int]) -> httpx.Response:
        """One exchange of request and answer, whole within its time: answers can trickle."""
        try:
            with trio.fail_after(self._timeout_seconds):
                return await self._client.get(path, params=dict(parameters))
        except trio.TooSlowError:
            raise NetworkFault(
                f"GET {path}: no whole answer within {self._timeout_seconds:g} s"
            ) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NetworkFault(f"GET {path}: {type(error).__name__} {error}") from error

    def _note_weight(self, answer: httpx.Response) -> None:
        used = answer.headers.get(_USED_WEIGHT, "")
        if used.isdecimal() and len(used) < _WEIGHT_DIGITS:
            self.budget.observe(int(used), self._clock())


@asynccontextmanager
async def open_rest(
    base_url: str, budget: WeightBudget, *, timeout_seconds: float, user_agent: str
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
        yield RestClient(client, budget, timeout_seconds)
