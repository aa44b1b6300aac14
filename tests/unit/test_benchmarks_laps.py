"""The frames that the benchmark repeats for ever are a stream that an exchange could send."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from benchmarks import micro
from benchmarks.laps import Frame, Json, Laps, ReferenceBook
from benchmarks.source import RECORDING, Source, modelled, recorded

LAPS = 3


@pytest.fixture(scope="module", params=["modelled", "recorded"])
def laps(request: pytest.FixtureRequest) -> Laps:
    if request.param == "modelled":
        return Laps(modelled(1_790_000_000_000_000, missing=Path("nothing")))
    if not RECORDING.exists():
        pytest.skip(f"no recording in {RECORDING}")
    return Laps(recorded(RECORDING))


def events(frames: list[Frame], kind: str) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for frame in frames:
        body = msgspec.json.decode(frame.text)
        assert body["stream"] == frame.stream
        if body["data"]["e"] == kind:
            found.setdefault(body["data"]["s"], []).append(body["data"])
    return found


def test_every_book_stream_is_a_chain_that_returns_to_its_snapshot(laps: Laps) -> None:
    updates = events(laps.frames(LAPS * laps.length), "depthUpdate")
    assert updates.keys() == laps.snapshots.keys()
    for symbol, of_symbol in updates.items():
        start, book = (ReferenceBook(laps.snapshots[symbol]) for _ in range(2))
        returned = 0
        for before, after in pairwise(of_symbol):
            assert after["pu"] == before["u"]
            assert after["U"] <= after["u"]
            assert after["T"] >= before["T"]
        for event in of_symbol:
            book.apply(event)
            assert max(book.bids) < min(book.asks)
            returned += (book.bids, book.asks) == (start.bids, start.asks)
        assert returned >= LAPS


def test_trade_ids_count_by_one_and_their_parts_go_on(laps: Laps) -> None:
    for trades in events(laps.frames(LAPS * laps.length), "aggTrade").values():
        ids = [trade["a"] for trade in trades]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        for before, after in pairwise(trades):
            assert after["f"] > before["l"]
            assert after["T"] >= before["T"]


def test_the_lead_in_is_the_first_update_of_each_book(laps: Laps) -> None:
    lead_in = laps.frames(laps.lead_in)
    assert sorted(events(lead_in, "depthUpdate")) == sorted(laps.snapshots)


def test_a_book_that_does_not_chain_is_refused() -> None:
    book = ReferenceBook({"lastUpdateId": 10, "bids": [], "asks": []})
    gap = {"s": "X", "pu": 11, "U": 12, "u": 12, "b": [], "a": []}
    with pytest.raises(ValueError, match="11 does not follow 10"):
        book.apply(gap)


def test_updates_that_the_snapshot_holds_are_left_out() -> None:
    def frame(first: int, last: int, previous: int) -> str:
        ids = {"U": first, "u": last, "pu": previous, "E": last, "T": last}
        event = {"e": "depthUpdate", "s": "AB", **ids, "b": [[str(last), "1"]], "a": []}
        return msgspec.json.encode({"stream": "ab@depth@100ms", "data": event}).decode()

    snapshot = {"lastUpdateId": 5, "T": 5, "bids": [["1", "1"]], "asks": []}
    frames = [frame(1, 3, 0), frame(4, 6, 3), frame(7, 8, 6)]
    source = Source("", b"", {"AB": msgspec.json.encode(snapshot)}, frames)
    sent = events(Laps(source).frames(4), "depthUpdate")["AB"]
    assert [event["u"] for event in sent] == [6, 8, 9, 12]
    assert sent[2]["b"] == [["6", "0"], ["8", "0"]]


def test_the_steps_are_measured_on_frames_that_the_collector_understands(
    laps: Laps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro, "_REPEATS", 1)
    monkeypatch.setattr(micro, "_FRAMES", 2_000)
    assert all(us > 0 for us in micro.microseconds(laps).values())
