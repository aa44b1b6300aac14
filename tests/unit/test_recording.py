"""Recordings: plain or gzipped JSON Lines, and what is none."""

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from mprism.recording import (
    Answer,
    Header,
    Opened,
    Received,
    Record,
    RecordingError,
    Sent,
    read_recording,
)

HEADER = b'{"kind":"header","venue":"binance_spot","recorded_ts":1634000000.25}\n'
RECEIVED = b'{"kind":"received","ts":1634000003.5,"frame":"{}"}\n'
RECORDING = (
    HEADER
    + b'{"kind":"http","ts":1634000001,"url":"https://x/y?a=b","body":"{}","status":200}\n'
    + b'{"kind":"open","ts":1634000002.125,"url":"wss://x/stream"}\n'
    + b'{"kind":"sent","ts":1634000003,"url":"wss://x/stream","frame":"hello"}\n'
    + RECEIVED
)
RECORDS: list[Record] = [
    Header("binance_spot", 1634000000.25),
    Answer(1634000001, "https://x/y?a=b", "{}"),
    Opened(1634000002.125, "wss://x/stream"),
    Sent(1634000003, "wss://x/stream", "hello"),
    Received(1634000003.5, "{}"),
]


def read(path: Path, content: bytes) -> list[Record]:
    path.write_bytes(content)
    return list(read_recording(path))


@pytest.mark.parametrize("is_gzip", [False, True])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a"])
def test_records_come_in_their_order_whatever_the_name(
    tmp_path: Path, name: str, is_gzip: bool
) -> None:
    content = gzip.compress(RECORDING) if is_gzip else RECORDING
    assert read(tmp_path / name, content) == RECORDS


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    assert read(tmp_path / "a", RECORDING.rstrip()) == RECORDS


def test_records_before_the_first_bad_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(RECORDING + b"rubbish\n")
    records = read_recording(path)
    assert list(islice(records, 5)) == RECORDS
    with pytest.raises(RecordingError, match=f"^{path}:6: "):
        next(records)


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (RECEIVED, 1, "the header must be the first line only"),
        (HEADER + HEADER, 2, "the header must be the first line only"),
        (HEADER + b"\n", 2, ""),
        (HEADER + b"{}\n", 2, "missing required field `kind`"),
        (HEADER + b"[]\n", 2, "Expected `object`, got `array`"),
        (HEADER + b'{"kind":"mail"}\n', 2, "Invalid value 'mail'"),
        (HEADER + RECEIVED[:-5] + b"\n", 2, ""),
        (HEADER + b'{"kind":"received","ts":1}\n', 2, "missing required field `frame`"),
        (HEADER + b'{"kind":"received","ts":"1","frame":""}\n', 2, "Expected `float`, got `str`"),
        (HEADER + b'{"kind":"received","ts":1,"frame":{}}\n', 2, "Expected `str`, got `object`"),
        (HEADER + b'{"kind":"received","ts":-1,"frame":""}\n', 2, "Expected `float` >= 0"),
        (HEADER + b'{"kind":"received","ts":1e300,"frame":""}\n', 2, "Expected `float` <="),
        (HEADER + b'{"kind":"received","ts":1,"frame":"\xff"}\n', 2, "can't decode byte 0xff"),
        (HEADER + b'{"kind":"received","ts":1,"frame":"\\udc00xx"}\n', 2, "surrogate"),
        (HEADER + b'{"kind":"received","x":' + b"[" * 100_000, 2, "recursion"),
        (b"\x00\x01\x02\n", 1, "malformed"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, line: int, problem: str) -> None:
    path = tmp_path / "a"
    with pytest.raises(RecordingError) as caught:
        read(path, content)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")])
def test_an_empty_file_is_no_recording(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RecordingError, match=r"a: empty$"):
        read(tmp_path / "a", content)


def test_a_truncated_gzip_tells_how_far_it_went(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"a: after line 5: .*end-of-stream"):
        read(tmp_path / "a", gzip.compress(RECORDING)[:-8])


def test_a_gzip_whose_checksum_is_wrong(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(RECORDING))
    content[-8] ^= 1
    with pytest.raises(RecordingError, match=r"a: after line 5: CRC check failed"):
        read(tmp_path / "a", bytes(content))


def test_a_gzip_with_damaged_data(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(RECORDING))
    content[12:20] = b"\xff" * 8
    with pytest.raises(RecordingError, match=r"a: after line 0: .*decompressing"):
        read(tmp_path / "a", bytes(content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_recording(tmp_path / "a"))


@pytest.mark.parametrize("packed", [True, False])
def test_a_pipe_is_read_like_a_file(tmp_path: Path, packed: bool) -> None:
    """It cannot be opened twice."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fifo.write_bytes, gzip.compress(RECORDING) if packed else RECORDING)
        assert list(read_recording(fifo)) == RECORDS
