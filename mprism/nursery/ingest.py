"""How bursts are written to JetStream and how its acknowledgements are read. No I/O.

Both ways use one subscription on `<inbox>.>`; a reply subject tells which burst an answer
belongs to. A burst is done when all of it is stored, and failed at the first answer that
says otherwise; later answers to a failed burst are ignored.

- `FastIngest` (ADR-50 of the NATS project, nats-server 2.14 and newer, streams with
  `allow_batched`): a burst is one batch, which its last message commits. Verified against
  2.15: duplicates count as stored in `count`, and a batch that the server gave up half-way
  is answered like a good one, with a smaller `count`. The server tells batches apart by
  their id alone, across connections, so ids hold a token of the connection.
- `MessageAcks`: every message is acknowledged by itself. For all other servers.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from mprism.nursery.broker import ApiError

# Asks for a flow acknowledgement every so many messages; only the commit interests us.
_FLOW = 10_000


class Outcome(NamedTuple):
    """What became of a burst. `error` is None when all of it is stored."""

    number: int
    error: str | None
    last_sequence: int = 0  # stream sequence of its last message; 0 where it is not told
    duplicates: int = 0  # messages that the stream already had; fast ingest does not tell


class Answer(NamedTuple):
    """One message that the server sent to the inbox."""

    suffix: str  # the subject after the inbox and its dot
    status: str | None  # of an inline status header: "503" where nothing listens
    payload: bytes


class Ingest(Protocol):
    """One connection's way to write bursts."""

    def replies(self, number: int, count: int) -> Iterator[str]:
        """The reply subject of each of the `count` messages of burst `number`."""

    def receive(self, answer: Answer) -> Outcome | None:
        """The outcome that `answer` completes, if any."""


class _Ack(msgspec.Struct):
    type: str | None = None
    seq: int = 0
    count: int = 0
    duplicate: bool = False
    error: ApiError | None = None


_decode = msgspec.json.Decoder(_Ack).decode


def _status_error(status: str) -> str:
    if status == "503":
        return "no stream listens on the subject"
    return f"the server answered with status {status}"


class FastIngest:
    """Bursts as batches. `token` is unique among all connections of all collectors."""

    def __init__(self, inbox: str, token: str) -> None:
        self._prefix = f"{inbox}.{token}-"
        self._token = f"{token}-"
        self._counts: dict[int, int] = {}  # burst -> messages, until its outcome
        self._notes: dict[int, str] = {}  # burst -> why the server gives it up

    def replies(self, number: int, count: int) -> Iterator[str]:
        self._counts[number] = count
        prefix = f"{self._prefix}{number}.{_FLOW}.fail"
        for n in range(1, count):
            yield f"{prefix}.{n}.{0 if n == 1 else 1}.$FI"
        yield f"{prefix}.{count}.2.$FI"

    def receive(self, answer: Answer) -> Outcome | None:
        number = int(answer.suffix.partition(".")[0].removeprefix(self._token))
        if number not in self._counts:
            return None
        if answer.status is not None:
            return self._end(number, _status_error(answer.status))
        ack = _decode(answer.payload)
        if ack.type == "ack":
            return None
        if ack.type is not None:
            self._notes[number] = str(ack.error) if ack.error else "messages were lost on the way"
            return None
        if ack.error is not None:
            return self._end(number, str(ack.error))
        if ack.count != self._counts[number]:
            why = self._notes.get(number, "the server gave the batch up")
            return self._end(number, f"{ack.count} of {self._counts[number]} stored: {why}")
        return self._end(number, None, ack.seq, int(ack.duplicate))

    def _end(
        self, number: int, error: str | None, last_sequence: int = 0, duplicates: int = 0
    ) -> Outcome:
        del self._counts[number]
        self._notes.pop(number, None)
        return Outcome(number, error, last_sequence, duplicates)


class MessageAcks:
    """Bursts as single messages."""

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox
        self._missing: dict[int, int] = {}  # burst -> acknowledgements to come
        self._duplicates: dict[int, int] = {}

    def replies(self, number: int, count: int) -> Iterator[str]:
        self._missing[number] = count
        self._duplicates[number] = 0
        for n in range(1, count + 1):
            yield f"{self._inbox}.{number}.{n}"

    def receive(self, answer: Answer) -> Outcome | None:
        number = int(answer.suffix.partition(".")[0])
        if number not in self._missing:
            return None
        if answer.status is not None:
            return self._end(number, _status_error(answer.status))
        ack = _decode(answer.payload)
        if ack.error is not None:
            return self._end(number, str(ack.error))
        self._missing[number] -= 1
        self._duplicates[number] += ack.duplicate
        return None if self._missing[number] else self._end(number, None, ack.seq)

    def _end(self, number: int, error: str | None, last_sequence: int = 0) -> Outcome:
        del self._missing[number]
        return Outcome(number, error, last_sequence, self._duplicates.pop(number))
