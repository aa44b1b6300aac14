"""Recordings through the protocols: the same input is the same output."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from mprism.feeds.binance.venue import BINANCE_DERIVATIVES, BINANCE_SPOT, BinanceVenue
from mprism.feeds.protocol import Action
from mprism.recording import RecordingError, read_recording
from mprism.replay import Replay, Summary
from mprism.schema import Event, MessageEncoder, OrderBook
from mprism.settings import ExchangeSettings
from tests.unit.binance_payloads import (
    depth,
    depth_usdm,
    told,
    trade,
)
from tests.unit.events import funding_rate, liquidation, open_interest
from tests.unit.recording_lines import (
    DEPTH,
    INSTRUMENTS,
    TRADES,
    URL,
    Line,
    answered,
    header,
    opened,
    received,
    sent,
    subscribed,
    write,
)


def actions_of(path: Path, venue: BinanceVenue = BINANCE_SPOT) -> Iterator[Action]:
    return Replay([(venue, ExchangeSettings())]).run(read_recording(path))


def replayed(tmp_path: Path, *lines: Line, venue: BinanceVenue = BINANCE_SPOT) -> list[str]:
    return told(actions_of(write(tmp_path / "recording", [header(venue.name), *lines]), venue))


SESSION = [
    INSTRUMENTS,
    opened(TRADES, DEPTH),
    received(TRADES, trade(1)),
    received(DEPTH, depth(90, 95)),
    answered(100),
    received(DEPTH, depth(96, 110)),
    received(TRADES, trade(2)),
    received(TRADES, trade(5)),
    received(DEPTH, depth(111, 120)),
]
TOLD = [
    "trade 1",
    "live",
    "s100",
    "u100>110",
    "trade 2",
    "trade gap 3-4",
    "trade 5",
    "u110>120",
]


def test_a_session_becomes_what_the_collector_would_have_published(tmp_path: Path) -> None:
    assert replayed(tmp_path, *SESSION) == TOLD


def test_the_same_recording_is_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "recording", [header(), *SESSION])

    def bytes_of_replay() -> list[tuple[str, str, bytes]]:
        encoder = MessageEncoder()
        events = [action for action in actions_of(path) if isinstance(action, Event)]
        messages = [encoder.encode(event) for event in events]
        return [(each.route.subject, each.message_id, each.payload) for each in messages]

    first = bytes_of_replay()
    assert len(first) == 6
    assert bytes_of_replay() == first


def test_receive_times_are_those_of_the_recorder_to_the_microsecond(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    lines = [header(), INSTRUMENTS | {"ts": 1}, opened(TRADES) | {"ts": 2}]
    frame = received(TRADES, trade(1)) | {"ts": 1_634_000_003.123457}
    path.write_text("\n".join(map(json.dumps, [*lines, frame])))
    (event,) = actions_of(path)
    assert isinstance(event, Event)
    assert event.ts_recv == 1_634_000_003_123_457_000


def test_a_snapshot_has_the_time_of_its_answer_or_of_the_frame_that_asked(tmp_path: Path) -> None:
    def ts_recv(*lines: Line) -> int:
        path = write(tmp_path / "recording", [header(), INSTRUMENTS, opened(DEPTH), *lines])
        (message,) = (action for action in actions_of(path) if isinstance(action, OrderBook))
        return message.ts_recv

    event = received(DEPTH, depth(90, 95))
    assert ts_recv(event, answered(100)) == 1_634_000_001_300_000_000
    assert ts_recv(answered(100), event) == 1_634_000_001_300_000_000


@pytest.mark.parametrize(
    "opening",
    [
        [opened(TRADES, DEPTH)],
        [opened(), subscribed(TRADES, DEPTH)],
        [opened(TRADES), subscribed(DEPTH)],
        [opened(), subscribed(TRADES), subscribed(DEPTH)],
        # Without having seen it open.
        [subscribed(TRADES, DEPTH)],
        # Two sockets, as USD-M needs them.
        [opened(TRADES, url="wss://a/market"), opened(DEPTH, url="wss://a/public")],
    ],
)
def test_streams_are_known_from_the_url_and_from_requests(
    tmp_path: Path, opening: list[Line]
) -> None:
    assert replayed(tmp_path, INSTRUMENTS, *opening, *SESSION[2:]) == TOLD


@pytest.mark.parametrize(
    "frame",
    [
        {"method": "LIST_SUBSCRIPTIONS", "id": 2},
        {"method": "SUBSCRIBE", "params": [], "id": 2},
        {"method": "SUBSCRIBE", "params": None, "id": 2},
        {"method": "SUBSCRIBE", "params": [1], "id": 2},
        {"method": "SUBSCRIBE", "id": 2},
        [],
        "7",
    ],
)
def test_other_requests_in_mid_session_change_nothing(tmp_path: Path, frame: object) -> None:
    assert replayed(tmp_path, *SESSION[:6], sent(frame), *SESSION[6:]) == TOLD


def test_streams_that_are_not_collected_are_rejected(tmp_path: Path) -> None:
    other = received("btcusdt@bookTicker", {"u": 1, "s": "BTCUSDT"})
    lines = [INSTRUMENTS, opened("btcusdt@bookTicker", "dogeusdt@trade", TRADES), other]
    assert replayed(tmp_path, *lines, *SESSION[2:3]) == ["not subscribed", "trade 1"]


def test_an_answer_recorded_before_it_was_asked_for_serves(tmp_path: Path) -> None:
    lines = [INSTRUMENTS, answered(100), opened(DEPTH), received(DEPTH, depth(90, 110))]
    assert replayed(tmp_path, *lines) == ["live", "s100", "u100>110"]


def test_answers_serve_their_own_instrument_oldest_first(tmp_path: Path) -> None:
    lines = [
        INSTRUMENTS,
        answered(7, "ETHUSDT"),
        answered(50),
        answered(100),
        answered(105),
        opened(DEPTH, "ethusdt@depth@100ms"),
        received(DEPTH, depth(90, 110)),
        received("ethusdt@depth@100ms", depth(5, 9, s="ETHUSDT")),
    ]
    # 50 is too old and used up; 105 is never needed.
    assert replayed(tmp_path, *lines) == ["live", "s100", "u100>110", "live", "s7", "u7>9"]


def test_an_answer_that_cannot_be_read_leads_to_the_next(tmp_path: Path) -> None:
    banned = answered(0) | {"body": '{"code":-1003,"msg":"Way too much request weight used"}'}
    lines = [INSTRUMENTS, opened(DEPTH), received(DEPTH, depth(90, 110)), banned, answered(100)]
    assert replayed(tmp_path, *lines) == ["malformed snapshot", "live", "s100", "u100>110"]


def test_a_connection_opened_again_begins_anew(tmp_path: Path) -> None:
    again = [
        opened(TRADES, DEPTH),
        received(TRADES, trade(5)),
        received(TRADES, trade(7)),
        received(DEPTH, depth(200, 210)),
        answered(205),
    ]
    # Trades seen before stay seen; the book needs a new snapshot.
    assert replayed(tmp_path, *SESSION, *again) == [
        *TOLD,
        "trade gap 6-6",
        "trade 7",
        "live",
        "s205",
        "u205>210",
    ]


def test_a_new_connection_gets_the_answers_that_an_old_one_waited_for(tmp_path: Path) -> None:
    lines = [
        INSTRUMENTS,
        opened(DEPTH, "ethusdt@depth@100ms"),
        # Both ask, and nobody answers before the connection is gone.
        received(DEPTH, depth(90, 95)),
        received("ethusdt@depth@100ms", depth(5, 6, s="ETHUSDT")),
        opened(DEPTH, "ethusdt@depth@100ms"),
        answered(100),
        answered(7, "ETHUSDT"),
        received(DEPTH, depth(96, 110)),
        received("ethusdt@depth@100ms", depth(7, 9, s="ETHUSDT")),
    ]
    assert replayed(tmp_path, *lines) == ["live", "s100", "u100>110", "live", "s7", "u7>9"]


@pytest.mark.parametrize("later", [subscribed("ethusdt@trade"), opened("ethusdt@trade", url=URL)])
def test_streams_that_come_later_leave_the_books_alone(tmp_path: Path, later: Line) -> None:
    """Another request on the socket, or another socket, as the routes of USD-M need."""
    first = [INSTRUMENTS, opened(DEPTH, TRADES), received(DEPTH, depth(90, 95)), answered(100)]
    told_before = ["live", "s100"]
    rest = [received("ethusdt@trade", trade(7, s="ETHUSDT")), received(DEPTH, depth(96, 110))]
    told_after = ["trade 7", "u100>110"]
    assert replayed(tmp_path, *first, later, *rest) == told_before + told_after


def test_a_book_whose_snapshot_is_not_recorded_is_named(tmp_path: Path) -> None:
    lines = [header(), INSTRUMENTS, opened(DEPTH), received(DEPTH, depth(90, 95))]
    replay = Replay([(BINANCE_SPOT, ExchangeSettings())])
    list(replay.run(read_recording(write(tmp_path / "recording", lines))))
    assert replay.unanswered == ["BTCUSDT"]


def test_usdm_has_its_own_paths(tmp_path: Path) -> None:
    lines = [
        INSTRUMENTS | {"url": "https://fapi.binance.com/fapi/v1/exchangeInfo"},
        opened(DEPTH),
        received(DEPTH, depth_usdm(90, 105, 89)),
        answered(1),  # spot's
        answered(100, path="/fapi/v1/depth"),
    ]
    assert replayed(tmp_path, *lines, venue=BINANCE_DERIVATIVES) == ["live", "s100", "u100>105"]


def test_a_frame_before_the_instruments_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="a frame comes before the exchange's instrument"):
        replayed(tmp_path, opened(TRADES), received(TRADES, trade(1)))


def test_a_recording_of_another_exchange_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "recording", [header("binance_derivatives"), *SESSION])
    with pytest.raises(RecordingError, match="from binance_derivatives, not from binance_spot"):
        list(actions_of(path))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            INSTRUMENTS | {"body": "<html>"},
            "the exchange's answer .*exchangeInfo",
        ),
        (sent("ping"), "a sent frame cannot be read: "),
        (sent('{"x":' + "[" * 100_000), "a sent frame cannot be read: "),
        (opened(url="wss://[::1/stream"), r"not a URL: 'wss://\[::1/stream'"),
        (answered(1) | {"url": "http://["}, "not a URL: "),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(tmp_path: Path, line: Line, problem: str) -> None:
    lines = [INSTRUMENTS, opened(TRADES), line, received(TRADES, trade(1))]
    with pytest.raises(RecordingError, match=problem):
        replayed(tmp_path, *lines)


def test_a_truncated_recording_yields_what_was_read_first(tmp_path: Path) -> None:
    path = write(tmp_path / "recording", [header(), *SESSION])
    path.write_bytes(path.read_bytes()[:-8])
    actions = actions_of(path)
    assert told(islice(actions, len(TOLD))) == TOLD
    with pytest.raises(RecordingError, match="after line 10: "):
        next(actions)


def test_the_summary_counts_what_passes(tmp_path: Path) -> None:
    path = write(tmp_path / "recording", [header(), *SESSION, received("x", {"e": "y"})])
    summary = Summary()
    events = list(summary.passing(actions_of(path)))
    assert told(events) == [line for line in TOLD if line != "live" and "gap" not in line]
    assert list(summary.lines()) == [
        "BTCUSDT: 3 trades, 1 snapshots, 2 updates to id 120, "
        "best bid 100.00 x 1.5, best ask 101.00 x 2.5",
        "missing trades: 2",
        "not used, not subscribed: 1",
    ]


def test_the_summary_counts_each_data_type() -> None:
    summary = Summary()
    events: list[Action] = [open_interest(), liquidation(), open_interest(), funding_rate()]
    assert list(summary.passing(events)) == events
    assert list(summary.lines()) == [
        "BTC-USDT-SWAP: 0 trades, 1 funding_rate, 1 liquidation, 2 open_interest"
    ]


def test_the_summary_of_trades_alone_says_nothing_of_books(tmp_path: Path) -> None:
    path = write(tmp_path / "recording", [header(), *SESSION[:3]])
    summary = Summary()
    assert len(list(summary.passing(actions_of(path)))) == 1
    assert list(summary.lines()) == ["BTCUSDT: 1 trades"]
