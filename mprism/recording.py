"""Recordings: what an exchange sent, as gzipped or plain JSON Lines.

The format is in `docs/recordings.md`. Records come in the order in which they happened.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
from msgspec import Meta, Struct

# Unix seconds, as far as nanoseconds fit 64 bits.
Timestamp = Annotated[float, Meta(ge=0, le=2**63 // 10**9)]


class RecordingError(Exception):
    """A file is no recording. The text names the file and the line."""


class Header(Struct, tag_field="kind", tag="header"):
    """The first line: which exchange, and when the recording began (Unix seconds)."""

    venue: str
    recorded_ts: Timestamp


class Answer(Struct, tag_field="kind", tag="http"):
    """A REST answer."""

    ts: Timestamp
    url: str
    body: str


class Opened(Struct, tag_field="kind", tag="open"):
    """A WebSocket was opened."""

    ts: Timestamp
    url: str


class Sent(Struct, tag_field="kind", tag="sent"):
    """A text frame that the recorder sent."""

    ts: Timestamp
    url: str
    frame: str


class Received(Struct, tag_field="kind", tag="received"):
    """A text frame from the exchange."""

    ts: Timestamp
    frame: str


Record = Header | Answer | Opened | Sent | Received

_decode = msgspec.json.Decoder(Record).decode
_GZIP_MAGIC = b"\x1f\x8b"


def read_recording(path: Path) -> Iterator[Record]:
    """The records of a file in their order. Raises RecordingError, and OSError of the file."""
    with _open(path) as lines:
        number = 0
        try:
            for number, line in enumerate(lines, 1):
                record = _decode(line)
                if isinstance(record, Header) is not (number == 1):
                    raise RecordingError(f"{path}:{number}: the header must be the first line only")
                yield record
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise RecordingError(f"{path}:{number}: {error}") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RecordingError(f"{path}: after line {number}: {error}") from error
        if not number:
            raise RecordingError(f"{path}: empty")


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """The lines of a file, of a pipe, or of standard input, which is `-`."""
    with open(0, "rb", closefd=False) if str(path) == "-" else path.open("rb") as file:
        if file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] != _GZIP_MAGIC:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as lines:
            yield lines  # type: ignore[misc]
