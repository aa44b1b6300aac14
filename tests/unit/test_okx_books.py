"""Books of OKX: ids, messages that cannot be read, a stream that is asked for anew."""

import json
from typing import Any

import pytest

from mprism.feeds.protocol import Send
from mprism.schema import OrderBook
from mprism.settings import OrderBookSettings
from tests.unit.okx_book import BOOKS, OUT, live, snapshot, socket_of, update
from tests.unit.okx_payloads import ETH_SPOT, INVERSE, LINEAR, SPOT, TIME_MS, book, event, place
from tests.unit.okx_socket import Socket, told


def leave(socket: Socket) -> None:
    """Lose the book and go through the exchange's answers up to the new stream."""
    assert update(socket, 200, 205)[1:] == [OUT]
    assert told(socket.resubscribe(BOOKS)) == [f"unsubscribe {BOOKS}", f"subscribe {BOOKS}"]
    assert socket.frame(event("unsubscribe", BOOKS)) == []
    assert socket.frame(event("subscribe", BOOKS)) == []


@pytest.mark.parametrize(
    ("instrument", "changes"),
    [
        (SPOT, {}),
        (
            LINEAR,
            {
                "best_bid_quantity": "2.56",
                "best_ask_quantity": "4.15",
                "bids": [("8476.9", "2.56")],
                "asks": [("8477.1", "4.15")],
                "contract_size": "0.01",
            },
        ),
        (INVERSE, {"quantity_unit": "contracts", "contract_size": "100"}),
    ],
)
def test_a_snapshot_and_an_update(instrument: Any, changes: dict[str, Any]) -> None:
    stream = f"books:{instrument.instrument_id}"
    socket = socket_of(instrument)
    fields: dict[str, Any] = place(instrument) | {
        "update_type": "snapshot",
        "last_update_id": 100,
        "prev_update_id": None,
        "bids": [("8476.9", "256")],
        "asks": [("8477.1", "415")],
        "best_bid_price": "8476.9",
        "best_bid_quantity": "256",
        "best_ask_price": "8477.1",
        "best_ask_quantity": "415",
        "depth_levels": 1,
        "quantity_unit": "base",
        "contract_size": None,
    }
    _, top = socket.push(stream, book(-1, 100), action="snapshot")
    assert top == OrderBook(**fields | changes)
    removal = book(100, 105, asks=[["8477.1", "0", "0", "0"]], bids=[])
    (message,) = socket.push(stream, removal, action="update")
    assert message == OrderBook(
        **fields
        | changes
        | {
            "update_type": "update",
            "last_update_id": 105,
            "prev_update_id": 100,
            "bids": [],
            "asks": [("8477.1", "0" if instrument is not LINEAR else "0.00")],
            "best_ask_price": None,
            "best_ask_quantity": None,
        }
    )


def test_updates_follow_by_their_ids() -> None:
    socket = live()
    assert update(socket, 100, 105) == ["u100>105"]
    # A still book says so, and changes nothing.
    assert update(socket, 105, 105, asks=[], bids=[]) == []
    assert update(socket, 105, 106) == ["u105>106"]
    # Ids begin anew after maintenance.
    assert update(socket, 106, 3) == ["u106>3"]
    assert update(socket, 3, 8) == ["u3>8"]
    assert socket.continuity.duplicates == 0
    assert update(socket, 3, 8) == []
    assert socket.continuity.duplicates == 1
    assert socket.states[BOOKS].messages == 7


def test_a_snapshot_that_comes_twice_is_a_duplicate() -> None:
    socket = live()
    assert snapshot(socket, 100) == []
    assert update(socket, 100, 105) == ["u100>105"]
    assert snapshot(socket, 100) == []
    assert socket.continuity.duplicates == 2
    # A later one begins the book anew.
    assert snapshot(socket, 90, ts=str(TIME_MS + 1)) == ["live", "s90"]


@pytest.mark.parametrize("ids", [(101, 105), (99, 105), (90, 95), (105, 100)])
def test_an_update_that_does_not_follow_costs_the_book_its_stream(ids: tuple[int, int]) -> None:
    socket = live()
    out, asked = update(socket, *ids)
    assert out.startswith("out: after id 100 came")
    assert asked == OUT
    assert snapshot(socket, 100) == []
    assert update(socket, 100, 105) == []


def test_changes_without_a_new_id_cost_the_book_its_stream() -> None:
    assert update(live(), 100, 100) == ["out: changes without a new id after 100", OUT]


def test_a_stream_is_asked_for_anew_alone() -> None:
    socket = socket_of(SPOT, ETH_SPOT)
    snapshot(socket, 100)
    socket.push("books:ETH-USDT", book(-1, 7), action="snapshot")
    update(socket, 200, 205)
    assert told(socket.resubscribe(BOOKS)) == [f"unsubscribe {BOOKS}", f"subscribe {BOOKS}"]
    assert socket.connection.unacknowledged == [BOOKS]
    assert not socket.states[BOOKS].acknowledged
    # What still comes belongs to the old stream, and acknowledges nothing.
    assert update(socket, 205, 210) == []
    assert snapshot(socket, 210) == []
    assert not socket.states[BOOKS].acknowledged
    assert told(socket.push("books:ETH-USDT", book(7, 9), action="update")) == ["u7>9"]
    socket.frame(event("unsubscribe", BOOKS))
    assert socket.connection.unacknowledged == [BOOKS]
    socket.frame(event("subscribe", BOOKS))
    assert socket.connection.unacknowledged == []
    assert socket.states[BOOKS].acknowledged
    assert snapshot(socket, 300) == ["live", "s300"]


def test_a_stream_that_keeps_breaking_waits_longer() -> None:
    socket = live()
    leave(socket)
    snapshot(socket, 300)
    assert update(socket, 1, 2)[1] == f"resubscribe {BOOKS} 1"


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({"bids": None}, "update", "malformed event"),
        ({"bids": {}}, "update", "malformed event"),
        ({"asks": [["1"]]}, "update", "malformed event"),
        ({"asks": [[1, 2, 0, 0]]}, "update", "malformed event"),
        ({"ts": "x"}, "update", "malformed event"),
        ({"seqId": -1}, "update", "malformed event"),
        ({"prevSeqId": -2}, "update", "malformed event"),
        ({"seqId": 2**63}, "update", "malformed event"),
        ({}, "delete", "unknown value"),
        ({}, None, "unknown value"),
        ({"asks": [["-1", "1", "0", "0"]]}, "update", "malformed levels"),
        ({"asks": [["1", "NaN", "0", "0"]]}, "update", "malformed levels"),
    ],
)
def test_a_message_that_cannot_be_read_costs_the_book_its_stream(
    changes: dict[str, Any], action: str | None, reason: str
) -> None:
    socket = live()
    more = {} if action is None else {"action": action}
    first, out, asked = told(socket.push(BOOKS, book(100, 105) | changes, **more))
    assert (first, asked) == (reason, OUT)
    assert out.startswith("out: ")
    assert update(socket, 100, 105) == []


def test_levels_of_more_columns_and_spread_out_json_are_read() -> None:
    socket = live()
    row = book(100, 105, bids=[["8476.95", "7", "5", "3", "new"]], asks=[["8477", "1"]])
    text = json.dumps({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "update"})
    frame = f'{text[:-1]} , "data" : {json.dumps([row], indent=2)} }}'
    (message,) = socket.frame(frame)
    assert isinstance(message, OrderBook)
    assert message.bids == [("8476.95", "7")]
    assert message.asks == [("8477", "1")]


def test_a_quiet_book_is_published_anew_only_when_it_is_live() -> None:
    socket = live()
    assert told(socket.connection.republish("BTC-USDT", 1)) == ["s100"]
    assert list(socket.connection.republish("ETH-USDT", 1)) == []
    update(socket, 200, 205)
    assert list(socket.connection.republish("BTC-USDT", 1)) == []


def test_no_updates_are_published_in_the_mode_of_snapshots() -> None:
    socket = socket_of(orderbook=OrderBookSettings(mode="snapshots"))
    snapshot(socket, 100)
    assert update(socket, 100, 105) == []
    assert update(socket, 105, 110, ts=str(TIME_MS + 1_000)) == ["s110"]


def test_opening_says_that_no_book_is_there() -> None:
    socket = socket_of()
    assert told(socket.opening) == ["out: waiting for its first snapshot", f"subscribe {BOOKS}"]
    assert isinstance(socket.opening[1], Send)
