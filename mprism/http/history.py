"""The last minutes of the collector's counters, for what a single look cannot tell.

Counters only say how much, never when. Samples of them, taken every `SAMPLE_SECONDS`, give
rates, what rose lately, and since when a condition holds; so those that write the state
need not keep times. A time found this way is at most one sampling interval late.
Bounded: as many samples are kept as `SPAN_SECONDS` has room for.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from mprism.state import CollectorState, Coverage, FeedState

SAMPLE_SECONDS = 2.0
SPAN_SECONDS = 300.0
RATE_SECONDS = 60.0
_SHORTEST_RATE_SECONDS = 1.0  # below this a rate is mostly noise

K = TypeVar("K")


class BookOut(NamedTuple):
    """The condition that one book is out of sequence."""

    feed: str
    symbol: str


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """The condition that the exchange refuses one stream. No tuple: a book's would be equal."""

    feed: str
    stream: str


class BacklogHigh(NamedTuple):
    """The condition that more than half of the room for waiting messages is taken."""


Condition = BookOut | StreamRefused | BacklogHigh


class FeedCounts(NamedTuple):
    """One feed's counters at one time."""

    frames: int
    received_bytes: int
    connects: int
    rejected: Mapping[str, int]


class DeliveryCounts(NamedTuple):
    """One delivery's counters at one time."""

    received: int
    published: int


_NO_FRAMES = FeedCounts(frames=0, received_bytes=0, connects=0, rejected={})
_NO_EVENTS = DeliveryCounts(received=0, published=0)


class Sample(NamedTuple):
    """The counters at one time, in Unix seconds."""

    at: float
    acknowledged: int
    dropped: Mapping[tuple[str, str], int]
    feeds: Mapping[str, FeedCounts]
    deliveries: Mapping[Coverage, DeliveryCounts]

    def feed(self, name: str) -> FeedCounts:
        """The counters of one feed: zero where it did not exist yet."""
        return self.feeds.get(name, _NO_FRAMES)

    def delivery(self, coverage: Coverage) -> DeliveryCounts:
        """The counters of one delivery: zero where there was none yet."""
        return self.deliveries.get(coverage, _NO_EVENTS)


class Rates(NamedTuple):
    """How fast counters rise: from `base` to `now`, in Unix seconds."""

    base: Sample | None
    now: float

    def over_seconds(self) -> float | None:
        """The time that the rates are taken over."""
        return None if self.base is None else round(self.now - self.base.at, 3)

    def of(self, current: int, select: Callable[[Sample], int]) -> float | None:
        """Per second, to a tenth; `select` finds the counter in a sample.

        None without a base. A counter that started anew does not go backwards: zero.
        """
        if self.base is None:
            return None
        return round(max(0, current - select(self.base)) / (self.now - self.base.at), 1)


def feed_counts(feed: FeedState) -> FeedCounts:
    """The counters of `feed` as they are now."""
    return FeedCounts(feed.frames, feed.received_bytes, feed.connects, dict(feed.rejected))


def conditions(state: CollectorState) -> Iterator[Condition]:
    """The conditions that hold in `state`."""
    for feed in state.feeds.values():
        for symbol in feed.books_out:
            yield BookOut(feed.name, symbol)
        for name, stream in feed.streams.items():
            if stream.refused is not None:
                yield StreamRefused(feed.name, name)
    if state.publisher.backlog_bytes * 2 > state.publisher.backlog_limit_bytes > 0:
        yield BacklogHigh()


class History:
    """Samples of one collector's state. Empty until the first call of `sample`."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=int(SPAN_SECONDS / SAMPLE_SECONDS) + 1)
        self._begun: dict[Condition, float] = {}
        self._acknowledged: tuple[int, float] | None = None

    def sample(self, state: CollectorState, now: float) -> None:
        """Take a sample of `state` at `now`."""
        if self._samples and now < self._samples[-1].at:
            self._samples.clear()  # the clock was set back: nothing can be compared any more
            self._acknowledged = None
        publisher = state.publisher
        self._samples.append(
            Sample(
                at=now,
                acknowledged=publisher.acknowledged,
                dropped=dict(publisher.dropped),
                feeds={name: feed_counts(feed) for name, feed in state.feeds.items()},
                deliveries={
                    coverage: DeliveryCounts(delivery.received, delivery.published)
                    for coverage, delivery in publisher.deliveries.items()
                },
            )
        )
        self._begun = {
            condition: min(now, self._begun.get(condition, now)) for condition in conditions(state)
        }
        if self._acknowledged is None or self._acknowledged[0] != publisher.acknowledged:
            self._acknowledged = (publisher.acknowledged, now)

    def begun(self, condition: Condition, now: float) -> float:
        """Since when `condition`, which holds at `now`, has been seen to hold."""
        return min(now, self._begun.get(condition, now))

    def unacknowledged_since(self, state: CollectorState) -> float | None:
        """Since when the broker has acknowledged nothing; None when it has since the last
        sample, and when there is none."""
        if self._acknowledged is None or self._acknowledged[0] != state.publisher.acknowledged:
            return None
        return self._acknowledged[1]

    def rates(self, now: float) -> Rates:
        """The rates at `now`, from the oldest sample of the last `RATE_SECONDS`."""
        for sample in self._samples:
            if now - RATE_SECONDS <= sample.at:
                enough = now - sample.at >= _SHORTEST_RATE_SECONDS
                return Rates(sample if enough else None, now)
        return Rates(None, now)

    def recent(
        self, now: float, current: Mapping[K, int], select: Callable[[Sample], Mapping[K, int]]
    ) -> tuple[Counter[K], float] | None:
        """What rose in the last `SPAN_SECONDS`, by key, and since when.

        `current` holds the counters as they are, `select` finds them in a sample. None when
        nothing rose, or when there is no sample to compare with.
        """
        window = [sample for sample in self._samples if now - SPAN_SECONDS <= sample.at <= now]
        if not window:
            return None
        # Unary plus keeps what is above zero: a counter of a feed made anew starts below.
        base = Counter(select(window[0]))
        risen = +(Counter(current) - base)
        if not risen:
            return None
        return risen, next((s.at for s in window if +(Counter(select(s)) - base)), now)
