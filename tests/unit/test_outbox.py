"""The outbox: order, bounds, and that nothing is lost without being counted."""

from collections import Counter

import pytest

from mprism.nursery.outbox import Burst, Outbox
from mprism.schema import Message
from mprism.state import PublisherState
from tests.unit.messages import message, route


@pytest.fixture
def state() -> PublisherState:
    return PublisherState()


@pytest.fixture
def outbox(state: PublisherState) -> Outbox:
    return Outbox(100, state)


def take(outbox: Outbox, count: int = 100, *, now: float = 0, largest: int = 100) -> list[Message]:
    burst = take_burst(outbox, count, now=now, largest=largest)
    return [] if burst is None else burst.messages


def take_burst(
    outbox: Outbox, count: int = 100, *, now: float = 0, largest: int = 100
) -> Burst | None:
    return outbox.take_burst(now, messages=count, payload_bytes=1_000, largest=largest)


def test_messages_leave_in_the_order_in_which_they_came(outbox: Outbox) -> None:
    kinds = ["trade", "orderbook", "funding_rate", "trade", "orderbook"]
    pushed = [message(number, kind) for number, kind in enumerate(kinds)]
    for each in pushed:
        outbox.push(each)
    assert take(outbox, 2) + take(outbox) == pushed
    assert take(outbox) == []


def test_a_burst_ends_with_the_message_that_fills_it(outbox: Outbox) -> None:
    for number in range(4):
        outbox.push(message(number, size=10))
    burst = outbox.take_burst(0, messages=10, payload_bytes=15, largest=100)
    assert burst is not None
    assert len(burst.messages) == 2


def test_order_books_are_dropped_first_then_trades_then_the_rest(
    outbox: Outbox, state: PublisherState
) -> None:
    outbox.push(message(0, "funding_rate", size=30))
    outbox.push(message(1, "trade", size=30))
    outbox.push(message(2, "orderbook", size=30))
    outbox.push(message(3, "trade", size=30))
    assert state.dropped == {("backlog_full", "orderbook"): 1}
    outbox.push(message(4, "trade", size=30))
    assert state.dropped == {("backlog_full", "orderbook"): 1, ("backlog_full", "trade"): 1}
    outbox.push(message(5, "funding_rate", size=90))
    assert [m.ts_recv for m in take(outbox)] == [5]
    assert state.dropped["backlog_full", "trade"] == 3
    assert state.dropped["backlog_full", "funding_rate"] == 1


def test_books_that_lost_messages_are_told_once(outbox: Outbox) -> None:
    for number, symbol in enumerate(["BTC-USDT", "ETH-USDT", "BTC-USDT", "SOL-USDT"]):
        outbox.push(message(number, "orderbook", symbol, size=50))
    assert outbox.losses == 2
    assert outbox.take_losses() == {route("orderbook", "BTC-USDT"), route("orderbook", "ETH-USDT")}
    assert outbox.losses == 0
    assert outbox.take_losses() == set()


def test_what_was_sent_is_never_dropped_and_is_sent_again_first(
    outbox: Outbox, state: PublisherState
) -> None:
    sent = [message(number, "orderbook", size=40) for number in range(2)]
    for each in sent:
        outbox.push(each)
    first, second = take(outbox, 1), take(outbox, 1)
    assert first + second == sent
    later = [message(number, "orderbook", size=40) for number in range(2, 6)]
    for each in later:
        outbox.push(each)
    assert outbox.put_back() == 2
    assert state.dropped == {("backlog_full", "orderbook"): 2}
    assert take(outbox) == sent + later[2:]
    assert state.resent == 2


def test_only_what_is_not_acknowledged_goes_back(outbox: Outbox, state: PublisherState) -> None:
    for number in range(3):
        outbox.push(message(number))
    bursts = [take_burst(outbox, 1) for _ in range(3)]
    numbers = [burst.number for burst in bursts if burst is not None]
    assert [m.ts_recv for m in outbox.acknowledge(numbers[0])] == [0]
    outbox.put_back()
    assert [m.ts_recv for m in take(outbox)] == [1, 2]
    assert (state.acknowledged, state.bursts) == (1, 1)


def test_numbers_of_bursts_are_never_used_twice(outbox: Outbox) -> None:
    outbox.push(message(1))
    seen = set()
    for _ in range(3):
        burst = take_burst(outbox)
        assert burst is not None
        seen.add(burst.number)
        outbox.put_back()
    assert len(seen) == 3


def test_the_time_of_the_first_sending_survives_further_failures(outbox: Outbox) -> None:
    outbox.push(message(1))
    outbox.push(message(2))
    take(outbox, 1, now=10)
    take(outbox, 1, now=20)
    times = []
    for now in (30, 40):
        outbox.put_back()
        times.append(outbox.sent_before_at)
        take(outbox, now=now)
        times.append(outbox.sent_before_at)
    assert times == [10, None, 10, None]
    assert outbox.oldest_sent_at == 40


def test_what_turns_out_to_be_stored_is_not_sent_again(
    outbox: Outbox, state: PublisherState
) -> None:
    pushed = [message(number) for number in range(4)]
    for each in pushed:
        outbox.push(each)
    take(outbox, 3)
    outbox.put_back()
    assert outbox.confirm({pushed[0].message_id, pushed[1].message_id}) == pushed[:2]
    assert state.acknowledged == 2
    assert take(outbox) == pushed[2:]


def test_what_no_server_takes_is_dropped_without_asking_for_the_book(
    outbox: Outbox, state: PublisherState
) -> None:
    outbox.push(message(1, "orderbook", size=51))
    outbox.push(message(2, size=49))
    assert [m.ts_recv for m in take(outbox, largest=50)] == [2]
    assert state.dropped == {("too_large", "orderbook"): 1}
    assert outbox.take_losses() == set()


def test_giving_up_tells_what_may_be_stored_from_what_cannot_be(
    outbox: Outbox, state: PublisherState
) -> None:
    for number in range(3):
        outbox.push(message(number))
    take(outbox, 2)
    assert outbox.give_up([message(3, "orderbook")]) == 4
    assert state.dropped == {
        ("unconfirmed", "trade"): 2,
        ("stopped", "trade"): 1,
        ("stopped", "orderbook"): 1,
    }
    assert outbox.empty
    assert state.backlog_messages == 0


def test_room_is_lacking_only_where_something_else_could_leave(outbox: Outbox) -> None:
    assert not outbox.lacks_room_for(message(0, size=101))
    outbox.push(message(1, size=60))
    assert not outbox.lacks_room_for(message(2, size=40))
    assert outbox.lacks_room_for(message(2, size=41))
    assert not outbox.roomy
    take(outbox)
    assert outbox.roomy


def test_the_gauges_tell_what_waits_and_what_is_in_flight(
    outbox: Outbox, state: PublisherState
) -> None:
    assert state.backlog_limit_bytes == 100
    for number in range(7, 10):
        outbox.push(message(number, size=10))
    outbox.report()
    assert (state.backlog_messages, state.backlog_bytes, state.oldest_recv_ns) == (3, 30, 7)
    take(outbox, 2)
    outbox.report()
    assert (state.backlog_messages, state.bursts_in_flight, state.messages_in_flight) == (1, 1, 2)
    assert (state.backlog_bytes, state.oldest_recv_ns) == (10, 7)
    outbox.put_back()
    outbox.report()
    assert (state.backlog_messages, state.bursts_in_flight, state.messages_in_flight) == (3, 0, 0)
    assert (state.backlog_bytes, state.oldest_recv_ns) == (30, 7)
    assert Counter() == state.dropped
