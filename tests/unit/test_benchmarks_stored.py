"""A benchmark that lost something, or stored it wrongly, fails."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.laps import Frame, Laps
from benchmarks.measurement import Measurement
from benchmarks.micro import connection
from benchmarks.report import lines
from benchmarks.run import Report, Stored
from benchmarks.source import modelled
from benchmarks.stored import StoredComparison, expected_messages
from mprism.schema import Event, OrderBook, Trade
from mprism.settings import OrderBookSettings


@pytest.fixture(scope="module")
def laps() -> Laps:
    return Laps(modelled(1_790_000_000_000_000, missing=Path("nothing")))


@pytest.fixture(scope="module")
def frames(laps: Laps) -> list[Frame]:
    return laps.frames(2_500)


@pytest.fixture(scope="module")
def messages(laps: Laps, frames: list[Frame]) -> list[Event]:
    """What a collector makes of the frames."""
    protocol = connection(laps.snapshots, laps.streams, OrderBookSettings())
    return [
        action
        for frame in frames
        for action in protocol.receive(frame.text.decode(), 1)
        if isinstance(action, Event)
    ]


def compare(laps: Laps, frames: list[Frame], messages: list[Event]) -> StoredComparison:
    comparison = StoredComparison(frames, laps.snapshots)
    for message in messages:
        comparison.read(message)
    comparison.end()
    return comparison


def test_what_is_all_there_is_right(laps: Laps, frames: list[Frame], messages: list[Event]) -> None:
    comparison = compare(laps, frames, messages)
    assert comparison.problems == []
    assert comparison.messages == len(messages) == expected_messages(frames, laps.snapshots)
    assert comparison.books > len(laps.snapshots)


def position(messages: list[Event], kind: type[Event], update_type: str | None = None) -> int:
    return next(
        n
        for n, message in enumerate(messages)
        if n > 1_000
        and isinstance(message, kind)
        and getattr(message, "update_type", None) == update_type
    )


WHICH = [(Trade, None), (OrderBook, "update")]


@pytest.mark.parametrize(("kind", "update_type"), WHICH)
def test_a_message_that_is_missing_is_seen(
    laps: Laps,
    frames: list[Frame],
    messages: list[Event],
    kind: type[Event],
    update_type: str | None,
) -> None:
    at = position(messages, kind, update_type)
    assert compare(laps, frames, messages[:at] + messages[at + 1 :]).wrong


@pytest.mark.parametrize(("kind", "update_type"), WHICH)
def test_a_message_that_is_there_twice_is_seen(
    laps: Laps,
    frames: list[Frame],
    messages: list[Event],
    kind: type[Event],
    update_type: str | None,
) -> None:
    at = position(messages, kind, update_type)
    assert compare(laps, frames, messages[: at + 1] + messages[at:]).wrong


def test_the_end_that_is_missing_is_seen(
    laps: Laps, frames: list[Frame], messages: list[Event]
) -> None:
    comparison = compare(laps, frames, messages[:-1])
    assert comparison.wrong == 1
    assert "are not stored" in comparison.problems[0]


@pytest.mark.parametrize("field", ["price", "quantity", "trade_id", "ts_event"])
def test_a_trade_with_another_value_is_seen(
    laps: Laps, frames: list[Frame], messages: list[Event], field: str
) -> None:
    at = position(messages, Trade)
    value: int | str = 5 if field == "ts_event" else "5"
    changed = msgspec.structs.replace(messages[at], **{field: value})
    assert compare(laps, frames, [*messages[:at], changed, *messages[at + 1 :]]).wrong == 1


@pytest.mark.parametrize("field", ["bids", "asks"])
@pytest.mark.parametrize("update_type", ["update", "snapshot"])
def test_a_book_with_another_level_is_seen(
    laps: Laps, frames: list[Frame], messages: list[Event], update_type: str, field: str
) -> None:
    at = position(messages, OrderBook, update_type)
    changed = msgspec.structs.replace(messages[at], **{field: [("1", "1")]})
    assert compare(laps, frames, [*messages[:at], changed, *messages[at + 1 :]]).wrong


def measured(missing: int = 0, faults: dict[str, int] | None = None) -> Measurement:
    return Measurement("publish", 1_000, 0.1, 0.1, 1, faults or {}, missing)


STORED = Stored(expected=5, messages=5, books=1, wrong=0, problems=[])


def report(measurement: Measurement, stored: Stored = STORED) -> Report:
    return Report("", 1.0, True, stages={"publish": [measured(), measurement]}, stored=[stored])


def test_a_run_without_a_loss_passes() -> None:
    assert report(measured()).losses == []
    assert not any(line.startswith("FAIL") for line in lines(report(measured())))


@pytest.mark.parametrize(
    "lossy",
    [
        report(measured(missing=1)),
        report(measured(faults={"dropped": 1})),
        report(measured(), Stored(expected=5, messages=4, books=1, wrong=0, problems=[])),
        report(measured(), Stored(expected=5, messages=5, books=1, wrong=1, problems=["x"])),
    ],
)
def test_a_run_with_a_loss_fails_and_says_so(lossy: Report) -> None:
    assert lossy.losses
    assert any(line.startswith("FAIL") for line in lines(lossy))
