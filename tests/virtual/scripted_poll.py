"""A poll with everything scripted: what is asked for, what is answered, and when."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import trio

from mprism.feeds.errors import FeedError
from mprism.feeds.feed import Feed
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.feeds.venue import PollPlan
from mprism.settings import ExchangeSettings
from mprism.state import FeedState, StreamState

from .scripted import SETTINGS, Recorded, trade

START = 1_700_049_600.0
"""Virtual second 0 in Unix seconds: the beginning of an hour."""


def clock() -> float:
    """The time in Unix seconds."""
    return START + trio.current_time()


class NumberedPoll:
    """Asks for series of numbered values; an answer holds numbers, and further pages by name.

    As `7 8 9 +older`, where `+` is the key of a page to ask for. Each value is published once,
    as a trade of its number.
    """

    def __init__(self, continuity: Continuity, keys: Sequence[str]) -> None:
        self._continuity = continuity
        self._keys = keys
        self.begun: list[float] = []

    def begin(self, now_ns: int) -> Iterable[Fetch]:
        self.begun.append(now_ns / 1e9)
        return [fetch(key) for key in self._keys]

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        for word in body.decode().split():
            if word.startswith("+"):
                yield fetch(word[1:])
            elif word.isdecimal():
                yield from self._value(key.partition("/")[0], int(word))
            else:
                yield Reject(word, key)

    def _value(self, series: str, number: int) -> Iterable[Action]:
        self._continuity.messages += 1
        if number > self._continuity.last_time.get(series, -1):
            self._continuity.last_time[series] = number
            yield trade(number)


def fetch(key: str) -> Fetch:
    """A request for `key`."""
    return Fetch(key, Request(f"/{key}"))


Answer = bytes | FeedError


class TimedRest:
    """Answers after half a second: by path, each answer once and the last for ever."""

    seconds = 0.5
    imposed = 0.0

    def __init__(self, answers: Mapping[str, Sequence[Answer]]) -> None:
        self._answers = {path: list(listed) for path, listed in answers.items()}
        self.requests: dict[str, list[float]] = defaultdict(list)
        self.order: list[str] = []
        self.reserves: set[float] = set()
        self._busy = False

    def imposed_wait(self, request: Request) -> float:
        return self.imposed

    async def get(self, request: Request, reserve: float = 0.0) -> bytes:
        assert not self._busy, "one after the other"
        self._busy = True
        path = request.path
        self.requests[path].append(trio.current_time())
        self.order.append(path)
        self.reserves.add(reserve)
        await trio.sleep(self.seconds)
        self._busy = False
        listed = self._answers[path]
        answer = listed.pop(0) if len(listed) > 1 else listed[0]
        if isinstance(answer, FeedError):
            raise answer
        return answer


class PollBench:
    """A feed that polls, and all that it does."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[Answer]],
        *,
        keys: Sequence[str] = ("a",),
        period: float = 60.0,
        settings: ExchangeSettings = SETTINGS,
        sink: Recorded | None = None,
    ) -> None:
        self.rest = TimedRest(answers)
        self.sink = sink or Recorded()
        self.protocols: list[NumberedPoll] = []

        def make(continuity: Continuity, states: dict[str, StreamState]) -> NumberedPoll:
            self.protocols.append(NumberedPoll(continuity, keys))
            return self.protocols[-1]

        plan = PollPlan("poll", "okx_derivatives", "http://x", (), tuple(keys), period, make)
        self.state = FeedState("poll", "okx_derivatives", "http://x", "rest", clock)
        self.feed: Feed[PollPlan] = Feed(plan, settings, self.state, self.sink)

    @property
    def published(self) -> list[int]:
        """The numbers of the values that were published."""
        return [int(event.trade_id) for event in self.sink.events]  # type: ignore[attr-defined]
