"""Deribit's books that are asked for anew: one channel is given up and subscribed to again."""

from mprism.feeds.protocol import BookState, Reject, Resubscribe
from tests.unit.deribit_payloads import RECV_NS, Socket, answer, book_change, book_snapshot, sent

BOOK = "book.BTC-PERPETUAL.100ms"


def test_a_book_out_of_sequence_is_given_up_and_asked_for_anew() -> None:
    socket = Socket()
    socket.push(BOOK, book_snapshot(100))
    lost, resubscribe = socket.push(BOOK, book_change(150, 200))
    assert isinstance(lost, BookState)
    assert not lost.live
    assert resubscribe == Resubscribe(BOOK, 0)
    calls = sent(socket.connection.resubscribe(BOOK, RECV_NS))
    assert [call["method"] for call in calls] == ["public/unsubscribe", "public/subscribe"]
    assert all(call["params"] == {"channels": [BOOK]} for call in calls)
    assert socket.connection.unacknowledged == [BOOK]
    # What comes before the exchange has confirmed is of the old subscription.
    assert socket.push(BOOK, book_change(200, 300)) == []
    assert socket.frame(answer(calls[0]["id"], result=[BOOK])) == []
    assert socket.frame(answer(calls[1]["id"], result=[BOOK])) == []
    assert not socket.connection.unacknowledged
    live, _ = socket.push(BOOK, book_snapshot(400))
    assert live == BookState("BTC-USD", True, "in sequence")


def test_a_book_goes_on_even_if_its_end_was_never_confirmed() -> None:
    socket = Socket()
    socket.push(BOOK, book_change(150, 200))
    _, subscribe = sent(socket.connection.resubscribe(BOOK, RECV_NS))
    socket.frame(answer(subscribe["id"], result=[BOOK]))
    live, _ = socket.push(BOOK, book_snapshot(400))
    assert live == BookState("BTC-USD", True, "in sequence")


def test_a_snapshot_that_never_comes_is_asked_for_again() -> None:
    socket = Socket()
    *_, first = socket.push(BOOK, book_change(150, 200))
    assert first == Resubscribe(BOOK, 0)
    calls = sent(socket.connection.resubscribe(BOOK, RECV_NS))
    # Even if the exchange does not want to end the old subscription.
    error = {"code": 11094, "message": "internal_server_error"}
    (reject,) = socket.frame(answer(calls[0]["id"], error=error))
    assert reject == Reject("error answer", "code 11094, 'internal_server_error'")
    socket.frame(answer(calls[1]["id"], result=[BOOK]))
    lost, again = socket.push(BOOK, book_change(200, 300))
    assert lost == BookState("BTC-USD", False, "the snapshot is missing")
    assert again == Resubscribe(BOOK, 1)


def test_a_book_that_is_asked_for_anew_can_be_refused_then() -> None:
    socket = Socket()
    socket.push(BOOK, book_change(150, 200))
    calls = sent(socket.connection.resubscribe(BOOK, RECV_NS))
    socket.frame(answer(calls[0]["id"], result=[]))
    socket.frame(answer(calls[1]["id"], result=[]))
    assert socket.states[BOOK].refused
    assert not socket.states[BOOK].acknowledged
    # It is not there, so that there is nothing to give up first.
    (call,) = sent(socket.connection.resubscribe(BOOK, RECV_NS))
    socket.frame(answer(call["id"], result=[BOOK]))
    assert socket.states[BOOK].refused is None
    assert socket.states[BOOK].acknowledged
