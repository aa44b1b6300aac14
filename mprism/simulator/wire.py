"""WebSocket frames as a server writes them, and data frames that are encoded only once.

Server frames are not masked (RFC 6455, section 5.1), so a header and the payload are all.
"""

from collections.abc import Callable, Sequence
from struct import pack

from mprism.simulator.tape import Tape
from mprism.simulator.values import ValueTape

Record = tuple[Tape | ValueTape, int]
"""A trade or a value: its tape and its index there."""

FINAL = 0x80
CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2


def frame(payload: bytes, opcode: int = TEXT, final: int = FINAL) -> bytes:
    """`payload` as one frame."""
    first = final | opcode
    size = len(payload)
    if size < 126:
        return pack(">BB", first, size) + payload
    if size < 65_536:
        return pack(">BBH", first, 126, size) + payload
    return pack(">BBQ", first, 127, size) + payload


def fragments(payload: bytes) -> bytes:
    """`payload` as one text message in three frames."""
    third = max(1, len(payload) // 3)
    return (
        frame(payload[:third], TEXT, 0)
        + frame(payload[third : 2 * third], CONTINUATION, 0)
        + frame(payload[2 * third :], CONTINUATION)
    )


class Publication:
    """One message of one stream, encoded when the first connection asks for it.

    `encode` gets the number of microseconds in a unit of time (1000 for milliseconds) and
    returns the bare JSON. `records` are the trades and values that it holds; `update_id` goes
    into `updates` once the message is written whole, if it is an update of a book.
    """

    __slots__ = (
        "_encode",
        "_frames",
        "_payloads",
        "records",
        "stream",
        "update_id",
        "updates",
    )

    def __init__(
        self,
        stream: str,
        encode: Callable[[int], bytes],
        records: Sequence[Record] = (),
        *,
        updates: list[int] | None = None,
        update_id: int = 0,
    ) -> None:
        self.stream = stream
        self.records = records
        self.updates = updates
        self.update_id = update_id
        self._encode = encode
        self._payloads: dict[tuple[bool, int], bytes] = {}
        self._frames: dict[tuple[bool, int], bytes] = {}

    def payload(self, combined: bool, unit: int) -> bytes:
        """The JSON, wrapped with the stream's name for a combined connection."""
        key = combined, unit
        payload = self._payloads.get(key)
        if payload is None:
            payload = self._encode(unit)
            if combined:
                payload = b'{"stream":"%b","data":%b}' % (self.stream.encode(), payload)
            self._payloads[key] = payload
        return payload

    def frame(self, combined: bool, unit: int) -> bytes:
        """The same as one text frame."""
        key = combined, unit
        data = self._frames.get(key)
        if data is None:
            data = self._frames[key] = frame(self.payload(combined, unit))
        return data
