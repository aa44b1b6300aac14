"""The outbox against a model made of plain lists, under any order of events."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mprism.nursery.outbox import Outbox
from mprism.schema import Message
from mprism.state import PublisherState
from tests.unit.messages import message

LIMIT = 120
LARGEST = 90

Sent = tuple[int, list[Message]]


class OutboxAgainstLists(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = PublisherState()
        self.outbox = Outbox(LIMIT, self.state)
        self.pushed = 0
        self.sent_before: list[Message] = []
        self.waiting: list[Message] = []
        self.flying: list[Sent] = []
        self.stored: list[Message] = []
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.broken: set[str] = set()

    @rule(
        kind=st.sampled_from(["orderbook", "trade", "funding_rate"]),
        symbol=st.sampled_from(["BTC-USDT", "ETH-USDT"]),
        size=st.integers(0, LIMIT + 10),
    )
    def push(self, kind: str, symbol: str, size: int) -> None:
        new = message(self.pushed, kind, symbol, size)
        self.pushed += 1
        fits = sum(len(m.payload) for m in self.waiting) + size <= LIMIT
        assert self.outbox.lacks_room_for(new) == (
            not fits and sum(len(m.payload) for m in self.waiting) > 0
        )
        self.outbox.push(new)
        self.waiting.append(new)
        while sum(len(m.payload) for m in self.waiting) > LIMIT:
            self.drop("backlog_full", self.waiting, self.least_precious())

    def least_precious(self) -> Message:
        for kind in ("orderbook", "trade"):
            for candidate in self.waiting:
                if candidate.route.data_type == kind:
                    return candidate
        return self.waiting[0]

    def drop(self, reason: str, group: list[Message], lost: Message) -> None:
        group.remove(lost)
        self.dropped[reason, lost.route.data_type] += 1
        if reason == "backlog_full" and lost.route.data_type == "orderbook":
            self.broken.add(lost.route.subject)

    @rule(count=st.integers(1, 5), payload_bytes=st.integers(1, 80))
    def take(self, count: int, payload_bytes: int) -> None:
        expected: list[Message] = []
        while (
            len(expected) < count
            and sum(len(m.payload) for m in expected) < payload_bytes
            and (group := self.sent_before or self.waiting)
        ):
            if len(group[0].payload) > LARGEST:
                self.drop("too_large", group, group[0])
            else:
                expected.append(group.pop(0))
        burst = self.outbox.take_burst(
            0, messages=count, payload_bytes=payload_bytes, largest=LARGEST
        )
        assert (burst.messages if burst else []) == expected
        if burst is not None:
            self.flying.append((burst.number, expected))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        number, messages = sent = data.draw(st.sampled_from(self.flying))
        assert self.outbox.acknowledge(number) == messages
        self.flying.remove(sent)
        self.stored += messages

    @rule()
    def fail(self) -> None:
        back = [each for _, messages in self.flying for each in messages]
        assert self.outbox.put_back() == len(back)
        self.sent_before[:0] = back
        self.flying.clear()

    @precondition(lambda self: self.sent_before)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        found = data.draw(st.lists(st.sampled_from(self.sent_before), unique=True))
        confirmed = self.outbox.confirm({each.message_id for each in found})
        assert confirmed == [each for each in self.sent_before if each in found]
        self.sent_before = [each for each in self.sent_before if each not in found]
        self.stored += confirmed

    @rule()
    def recover(self) -> None:
        assert {route.subject for route in self.outbox.take_losses()} == self.broken
        self.broken.clear()

    @invariant()
    def nothing_is_lost_without_being_counted(self) -> None:
        self.outbox.report()
        flying = sum(len(messages) for _, messages in self.flying)
        backlog = len(self.sent_before) + len(self.waiting)
        assert self.state.dropped == self.dropped
        assert self.state.acknowledged == len(self.stored)
        assert self.state.messages_in_flight == flying
        assert self.state.backlog_messages == backlog
        assert self.pushed == len(self.stored) + self.dropped.total() + flying + backlog
        assert self.outbox.empty == (flying + backlog == 0)

    @invariant()
    def only_what_was_sent_may_exceed_the_limit(self) -> None:
        sent_before = sum(len(m.payload) for m in self.sent_before)
        assert self.state.backlog_bytes - sent_before <= LIMIT

    @invariant()
    def the_rest_would_leave_in_order(self) -> None:
        """What is not stored yet is in the order in which it was pushed."""
        flying = [each for _, messages in self.flying for each in messages]
        numbers = [each.ts_recv for each in flying + self.sent_before + self.waiting]
        assert numbers == sorted(numbers)


TestOutboxAgainstLists = OutboxAgainstLists.TestCase
