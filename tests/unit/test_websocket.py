"""Our WebSocket client and wsproto's say the same of every byte sequence, however it is cut."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from mprism.feeds.websocket import ClientProtocol, run_of
from mprism.simulator.wire import frame

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
Said = list[tuple[str, object]]


def handshake(client: WSConnection) -> bytes:
    """Let `client` ask, and return the answer."""
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(client.send(Request(host="h", target="/")))
    assert isinstance(next(iter(server.events())), Request)
    return server.send(AcceptConnection())


def said(client: WSConnection, parts: Iterable[bytes]) -> Said:
    """What `client` makes of data that comes in `parts`; messages whole, ends once."""
    found: Said = []
    pending: list[str | bytes] = []
    for part in parts:
        client.receive_data(part)
        for event in client.events():
            if isinstance(event, TextMessage | BytesMessage):
                note_message(event, pending, found)
            else:
                found.append(short(event))
            if isinstance(event, CloseConnection):
                return found
    return found


def note_message(
    event: TextMessage | BytesMessage, pending: list[str | bytes], found: Said
) -> None:
    run = run_of(event)
    if run is not None:
        assert not pending
        assert run
        found += [("text", text) for text in run]
        return
    pending.append(bytes(event.data) if isinstance(event, BytesMessage) else event.data)
    if event.message_finished:
        kind = "text" if isinstance(event, TextMessage) else "bytes"
        empty: str | bytes = "" if kind == "text" else b""
        found.append((kind, empty.join(pending)))  # type: ignore[arg-type]
        pending.clear()


def short(event: Event) -> tuple[str, object]:
    match event:
        case Ping(payload) | Pong(payload):
            return type(event).__name__, bytes(payload)
        case CloseConnection(code, reason):
            return "close", (code, reason)
        case AcceptConnection():
            return "accepted", None
    return type(event).__name__, event


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    inside = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in pairwise(inside)]


def parted(payload: bytes, opcode: int) -> bytes:
    """A message in two parts, with a ping between them."""
    half = len(payload) // 2
    return frame(payload[:half], opcode, 0) + frame(b"p", PING) + frame(payload[half:], 0, 0x80)


TEXTS = st.text(max_size=200).map(str.encode) | st.integers(100, 70_000).map(lambda n: b"x" * n)
CONTROLS = st.tuples(st.binary(max_size=125), st.sampled_from([PING, PONG]))
GOOD = (
    TEXTS.map(frame)
    | st.just(b"\x81\x00")
    | st.builds(parted, TEXTS, st.just(TEXT))
    | st.builds(parted, st.binary(max_size=300), st.just(BINARY))
    | st.binary(max_size=300).map(lambda payload: frame(payload, BINARY))
    | CONTROLS.map(lambda control: frame(*control))
)
BAD = st.sampled_from(
    [
        frame(b"\x03\xe9bye", CLOSE),
        frame(b"\xff\xfe"),  # no UTF-8
        frame(b"x", TEXT, 0) + frame(b"y"),  # a text inside a message in parts
        frame(b"x", 0),  # a part of nothing
        b"\x81\x81\x00\x00\x00\x00x",  # masked
        b"\x81\x7e\x00\x02xy",  # a length that is longer than it need be
        b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02xy",
        b"\xc1\x01x",  # an extension nobody agreed to
        b"\x83\x01x",  # no opcode
        frame(b"x" * 126, PING),
        frame(b"x", PING, 0),
    ]
)
CUTS = st.lists(st.integers(0, 2**32), max_size=12)


@given(st.lists(GOOD, max_size=8), BAD | st.just(b""), st.lists(GOOD, max_size=2), CUTS, CUTS)
@example([frame(b"a"), frame(b"b")], b"", [frame(b"c")], [1, 3, 4], [])
def test_it_says_what_wsproto_says(
    before: list[bytes], bad: bytes, after: list[bytes], cuts: list[int], other_cuts: list[int]
) -> None:
    ours, theirs = ClientProtocol(), WSConnection(ConnectionType.CLIENT)
    data = b"".join(before) + bad + b"".join(after)
    expected = said(theirs, cut(handshake(theirs) + data, other_cuts))
    assert said(ours, cut(handshake(ours) + data, cuts)) == expected


@given(st.lists(GOOD, max_size=8), CUTS, st.integers(0, 300))
def test_frames_that_are_too_long_are_left_to_wsproto(
    frames: list[bytes], cuts: list[int], longest: int
) -> None:
    ours, theirs = ClientProtocol(longest), WSConnection(ConnectionType.CLIENT)
    expected = said(theirs, [handshake(theirs) + b"".join(frames)])
    assert said(ours, cut(handshake(ours) + b"".join(frames), cuts)) == expected


@given(st.binary(max_size=300) | st.lists(GOOD | st.binary(max_size=4)).map(b"".join), CUTS)
def test_it_says_of_any_bytes_what_wsproto_says(data: bytes, cuts: list[int]) -> None:
    ours, theirs = ClientProtocol(), WSConnection(ConnectionType.CLIENT)
    # We wait for a whole frame where wsproto may object to half of it: so make it whole.
    data += bytes(70_000)
    expected = said(theirs, [handshake(theirs) + data])
    assert said(ours, cut(handshake(ours) + data, cuts)) == expected


def opened() -> ClientProtocol:
    client = ClientProtocol()
    client.receive_data(handshake(client))
    assert [type(event) for event in client.events()] == [AcceptConnection]
    return client


def test_the_frames_of_a_read_are_one_run() -> None:
    client = opened()
    frames = [frame(b"%d" % n + b"x" * n) for n in range(300)]
    client.receive_data(b"".join(frames)[:-1])
    (event,) = client.events()
    assert isinstance(event, TextMessage)
    assert run_of(event) == [f"{n}" + "x" * n for n in range(299)]
    assert said(client, [b"x"]) == [("text", "299" + "x" * 299)]


def test_a_long_frame_is_handed_over_in_parts() -> None:
    client = opened()
    client.receive_data(frame(b"x" * 100_000)[:50_000])
    (event,) = client.events()
    assert isinstance(event, TextMessage)
    assert not event.message_finished


def test_nothing_is_said_after_the_close() -> None:
    client = opened()
    client.receive_data(frame(b"\x03\xe8", CLOSE) + frame(b"late"))
    assert [type(event) for event in client.events()] == [CloseConnection]
    client.receive_data(frame(b"later"))
    assert list(client.events()) == []


def test_texts_still_come_while_we_close() -> None:
    client = opened()
    client.send(CloseConnection(code=1000))
    assert client.state is ConnectionState.LOCAL_CLOSING
    client.receive_data(frame(b"late") + frame(b"\x03\xe8", CLOSE))
    assert [type(event) for event in client.events()] == [TextMessage, CloseConnection]
    client.receive_data(frame(b"later"))
    assert list(client.events()) == []


@pytest.mark.parametrize("cuts", [[], [1], [20, 60, 75]])
def test_a_refusal_comes_with_its_body(cuts: list[int]) -> None:
    client = ClientProtocol()
    client.send(Request(host="h", target="/"))
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden"
    events = []
    for part in cut(answer, cuts):
        client.receive_data(part)
        events += list(client.events())
    assert isinstance(events[0], RejectConnection)
    body = [bytes(event.data) for event in events[1:] if isinstance(event, RejectData)]
    assert b"".join(body) == b"forbidden"


def test_what_is_no_handshake_is_an_error() -> None:
    client = ClientProtocol()
    client.send(Request(host="h", target="/"))
    with pytest.raises(RemoteProtocolError):
        client.receive_data(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def test_the_end_of_the_stream_is_an_abnormal_close() -> None:
    client = opened()
    client.receive_data(None)
    assert list(client.events()) == [CloseConnection(code=1006)]
