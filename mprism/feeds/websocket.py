"""The WebSocket protocol of a client that takes whole text frames apart in one go. No I/O.

wsproto spends more on a frame than everything else that is done with its text. What exchanges
send is nearly all of one kind: unfragmented text of less than 64 KiB. Runs of such frames are
taken apart here. Every other byte goes to wsproto as it came: the handshake, control frames,
binary and fragmented messages, long frames, and whatever is not right, so that all rules
(RFC 6455) are wsproto's. `tests/unit/test_websocket.py` compares the two.
"""

from collections.abc import Generator

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

_END_OF_HEAD = b"\r\n\r\n"
_FINAL = 0x80
_WHOLE_TEXT = 0x81  # the first byte: final, no extension, text
_CONTROL = 0x08  # this bit of an opcode
_MASKED = 0x80  # this bit of the second byte; four bytes of mask follow the length
_TWO_BYTES, _EIGHT_BYTES = 126, 127  # lengths that say how long the real length is
_LONGEST = 65_535  # that two bytes can say


_READING = (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING)


class TextRun(list[str]):
    """Texts of consecutive frames; the `data` of one `TextMessage`."""


def run_of(event: TextMessage | BytesMessage) -> TextRun | None:
    """The run that `event` is; None when it is what it says, a message or a part of one."""
    data: object = event.data
    return data if isinstance(data, TextRun) else None


class ClientProtocol(WSConnection):
    """wsproto's client, but for whole text frames, which come as runs of up to a read each.

    A run is a `TextMessage` whose `data` is a `TextRun`, because trio-websocket knows what to
    do with wsproto's own events only. Frames above `longest` bytes,
    header included, are left to wsproto.
    """

    def __init__(self, longest: int = _LONGEST) -> None:
        super().__init__(ConnectionType.CLIENT)
        self._longest = min(longest, _LONGEST)
        self._head = b""  # of the answer to the handshake
        self._data = b""  # not yet taken apart
        self._passing = 0  # bytes of a frame for wsproto that have not come yet
        self._in_parts = False  # a fragmented message has begun
        self._ended = False

    def receive_data(self, data: bytes | None) -> None:
        """Take what came. Raises RemoteProtocolError for a handshake that is none."""
        if data is None:
            super().receive_data(None)
        elif self.connection is None:
            self._receive_head(data)
        else:
            self._data += data

    def _receive_head(self, data: bytes) -> None:
        # Split where the frames begin, so that wsproto never holds part of one unknown to us.
        before = len(self._head)
        self._head += data
        at = self._head.find(_END_OF_HEAD)
        cut = len(data) if at < 0 else at + len(_END_OF_HEAD) - before
        super().receive_data(data[:cut])
        if self.connection is not None:
            self._head, self._data = b"", data[cut:]
        elif cut < len(data):
            super().receive_data(data[cut:])

    def events(self) -> Generator[Event, None, None]:
        """What the data says, in its order."""
        yield from self._events_of_wsproto()
        while self._data and not self._ended and self.state in _READING:
            if run := self._take_run():
                yield TextMessage(data=run)  # type: ignore[arg-type]
            elif self._pass_on():
                yield from self._events_of_wsproto()
            else:
                return

    def _events_of_wsproto(self) -> Generator[Event, None, None]:
        for event in super().events():
            # After an error of the peer's there is no telling where a frame begins.
            self._ended = self._ended or isinstance(event, CloseConnection)
            yield event

    def _take_run(self) -> TextRun:
        """The texts of all whole text frames up to the first that is none."""
        run = TextRun()
        if self._passing or self._in_parts:
            return run
        data, at, end = self._data, 0, len(self._data)
        while end - at >= 2 and data[at] == _WHOLE_TEXT:
            start, size = at + 2, data[at + 1]
            if size == _TWO_BYTES:
                if end - at < 4:
                    break
                start, size = at + 4, data[at + 2] << 8 | data[at + 3]
                if size < _TWO_BYTES:
                    break  # not the shortest way to say it, which is an error
            elif size > _TWO_BYTES:
                break  # longer, or masked
            if start + size > end or start + size - at > self._longest:
                break
            try:
                run.append(data[start : start + size].decode())
            except UnicodeDecodeError:
                break
            at = start + size
        if at:
            self._data = data[at:]
        return run

    def _pass_on(self) -> bool:
        """Hand wsproto what there is of the frame at the front; False to wait for more of it."""
        if not self._passing:
            size = _frame_size(self._data)
            if size is None or self._is_coming(size):
                return False
            self._passing = size
            if not self._data[0] & _CONTROL:
                self._in_parts = not self._data[0] & _FINAL
        part = self._data[: self._passing]
        self._data = self._data[self._passing :]
        self._passing -= len(part)
        super().receive_data(part)
        return True

    def _is_coming(self, size: int) -> bool:
        """Whether the front is part of a frame that can be taken once the rest is here."""
        first, second = self._data[:2]
        is_ours = second < _TWO_BYTES or (second == _TWO_BYTES and size >= 4 + _TWO_BYTES)
        in_bounds = len(self._data) < size <= self._longest
        return first == _WHOLE_TEXT and is_ours and in_bounds and not self._in_parts


def _frame_size(data: bytes) -> int | None:
    """Bytes of the frame at the front, header included; None before that can be told."""
    if len(data) < 2:
        return None
    mask_size, size = (data[1] & _MASKED) >> 5, data[1] & ~_MASKED
    width = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}.get(size, 0)
    if len(data) < 2 + width:
        return None
    if width:
        size = int.from_bytes(data[2 : 2 + width], "big")
    return 2 + width + mask_size + size
