"""Messages on their way to the broker: those that wait and those that are in flight.

Three groups, oldest first, and messages only ever move from left to right or are put back:

    sent before (a burst of theirs failed)  <  waiting (never sent)      in flight

- What has been sent once may be stored although no acknowledgement came. It is therefore
  never dropped while the collector runs: it is sent again, under the same ids, before
  anything newer. Its size is bounded by the window of bursts.
- Waiting messages are bounded by their payload bytes. Above the limit the oldest order book
  messages go first, then the oldest trades, then the oldest of everything else; each is
  counted. Because none of them was ever sent, the count is exactly what the stream lacks.
- The order of a subject never changes. Dropping leaves holes, never swaps.
"""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import chain

from mprism.schema import Message, Route
from mprism.state import PublisherState

BACKLOG_FULL = "backlog_full"  # the broker was away, or too slow, for longer than memory lasts
TOO_LARGE = "too_large"  # above what the broker takes in one message
STOPPED = "stopped"  # never sent before the collector had to end
UNCONFIRMED = "unconfirmed"  # sent, but the collector had to end before the acknowledgement

# The place in this tuple is the order in which data types are dropped; the rest comes last.
_DROPPED_FIRST = ("orderbook", "trade")

_Waiting = deque[tuple[int, Message]]


@dataclass(slots=True)
class Burst:
    """Messages that are sent, and acknowledged, together. Times are on Trio's clock."""

    number: int
    messages: list[Message]
    sent_at: float
    first_sent_at: float  # of its oldest message, which may have been in an earlier burst


class Outbox:
    """The messages between the collector and the broker; see the module for the rules.

    `limit_bytes` bounds the payloads of the messages that wait. `state` gets the counts.
    """

    def __init__(self, limit_bytes: int, state: PublisherState) -> None:
        self._limit = limit_bytes
        self._state = state
        self._classes: tuple[_Waiting, ...] = tuple(deque() for _ in (*_DROPPED_FIRST, "rest"))
        self._class_of = dict(zip(_DROPPED_FIRST, self._classes, strict=False))
        self._rest = self._classes[-1]
        self._order = 0  # of the next message that is pushed
        self._waiting_bytes = 0
        self._sent_before: deque[Message] = deque()
        self._sent_before_at: float | None = None  # when the oldest of them was sent
        self._bursts: dict[int, Burst] = {}  # in flight, oldest first
        self._last_number = 0
        self._losses = 0
        self._broken_books: set[Route] = set()
        state.backlog_limit_bytes = limit_bytes

    def __len__(self) -> int:
        """Messages that are not in flight."""
        return len(self._sent_before) + sum(map(len, self._classes))

    @property
    def empty(self) -> bool:
        """Whether everything that was pushed has been acknowledged or dropped."""
        return not self._bursts and not len(self)

    @property
    def bursts_in_flight(self) -> int:
        """Bursts that are sent and neither acknowledged nor failed."""
        return len(self._bursts)

    @property
    def oldest_sent_at(self) -> float | None:
        """When the oldest burst in flight was sent."""
        return next((burst.sent_at for burst in self._bursts.values()), None)

    @property
    def sent_before_at(self) -> float | None:
        """When the oldest message that has to be sent again was first sent."""
        return self._sent_before_at if self._sent_before else None

    def lacks_room_for(self, message: Message) -> bool:
        """Whether `message` should wait for others to leave, lest one of them is dropped."""
        waiting = self._waiting_bytes
        return waiting > 0 and waiting + len(message.payload) > self._limit

    @property
    def roomy(self) -> bool:
        """Whether less than half of the limit waits: a backlog is being worked off."""
        return self._waiting_bytes * 2 < self._limit

    def push(self, message: Message) -> None:
        """Add `message` at the end, dropping the least precious ones above the limit."""
        waiting = self._class_of.get(message.route.data_type, self._rest)
        waiting.append((self._order, message))
        self._order += 1
        self._waiting_bytes += len(message.payload)
        while self._waiting_bytes > self._limit:
            oldest = next(filter(None, self._classes))
            self._drop(self._pop(oldest), BACKLOG_FULL)

    def take_burst(
        self, now: float, *, messages: int, payload_bytes: int, largest: int
    ) -> Burst | None:
        """Move the oldest messages into a new burst in flight; None when there are none.

        A burst has at most `messages` messages, and ends with the one that brings it to
        `payload_bytes`. Messages with a payload above `largest` bytes are dropped.
        """
        taken: list[Message] = []
        size = 0
        first_sent_at = self.sent_before_at
        while len(taken) < messages and size < payload_bytes:
            message = self._next()
            if message is None:
                break
            if len(message.payload) > largest:
                self._drop(message, TOO_LARGE)
                continue
            taken.append(message)
            size += len(message.payload)
        if not taken:
            return None
        self._last_number += 1
        burst = Burst(
            self._last_number, taken, now, now if first_sent_at is None else first_sent_at
        )
        self._bursts[burst.number] = burst
        return burst

    def acknowledge(self, number: int) -> list[Message]:
        """Burst `number` is stored; its messages leave the outbox."""
        messages = self._bursts.pop(number).messages
        self._state.bursts += 1
        self._state.acknowledged += len(messages)
        return messages

    def put_back(self) -> int:
        """Everything in flight goes back to the front, in order. Returns how many messages."""
        sent = [message for burst in self._bursts.values() for message in burst.messages]
        for burst in self._bursts.values():
            self._sent_before_at = burst.first_sent_at  # none in flight is older than the first
            break
        self._sent_before.extendleft(reversed(sent))
        self._bursts.clear()
        return len(sent)

    def confirm(self, stored_ids: Container[str]) -> list[Message]:
        """Take out what was sent before and turned out to be stored. Returns those messages."""
        stored = [m for m in self._sent_before if m.message_id in stored_ids]
        self._sent_before = deque(m for m in self._sent_before if m.message_id not in stored_ids)
        self._state.acknowledged += len(stored)
        return stored

    def give_up(self, never_pushed: Iterable[Message] = ()) -> int:
        """Drop everything, because the collector ends. Returns how many messages."""
        self.put_back()
        undelivered = 0
        while self._sent_before:
            self._drop(self._sent_before.popleft(), UNCONFIRMED)
            undelivered += 1
        waiting = iter(self._next, None)
        for message in chain(waiting, never_pushed):
            self._drop(message, STOPPED)
            undelivered += 1
        self.report()
        return undelivered

    @property
    def losses(self) -> int:
        """Messages lost to a full backlog since `take_losses`."""
        return self._losses

    def take_losses(self) -> set[Route]:
        """Start counting losses anew. Returns the books that lost messages."""
        broken, self._broken_books = self._broken_books, set()
        self._losses = 0
        return broken

    def report(self) -> None:
        """Bring the gauges of the state up to date; the counters always are."""
        state = self._state
        state.backlog_messages = len(self)
        state.backlog_bytes = self._waiting_bytes + sum(len(m.payload) for m in self._sent_before)
        state.bursts_in_flight = len(self._bursts)
        state.messages_in_flight = sum(len(b.messages) for b in self._bursts.values())
        oldest = self._oldest()
        state.oldest_recv_ns = None if oldest is None else oldest.ts_recv

    def _oldest(self) -> Message | None:
        for burst in self._bursts.values():
            return burst.messages[0]
        if self._sent_before:
            return self._sent_before[0]
        oldest = self._oldest_class()
        return oldest[0][1] if oldest else None

    def _oldest_class(self) -> _Waiting | None:
        oldest = None
        for waiting in self._classes:  # `min` with a key takes three times as long
            if waiting and (oldest is None or waiting[0][0] < oldest[0][0]):
                oldest = waiting
        return oldest

    def _next(self) -> Message | None:
        if self._sent_before:
            self._state.resent += 1
            return self._sent_before.popleft()
        oldest = self._oldest_class()
        return None if oldest is None else self._pop(oldest)

    def _pop(self, waiting: _Waiting) -> Message:
        message = waiting.popleft()[1]
        self._waiting_bytes -= len(message.payload)
        return message

    def _drop(self, message: Message, reason: str) -> None:
        route = message.route
        self._state.dropped[reason, route.data_type] += 1
        # A message that is too large stays so: asking for its book anew would never end.
        if reason == BACKLOG_FULL:
            self._losses += 1
            if route.data_type == "orderbook":
                self._broken_books.add(route)
