"""Broken frames in place of good ones, one way for each kind of `MalformedKind`.

Each damaged message is of no use to a correct reader: whatever the frame carried is lost.
"""

from typing import Any

import msgspec

from mprism.simulator.faults import MalformedKind
from mprism.simulator.wire import BINARY, TEXT, frame

HUGE_BYTES = 2 * 1024 * 1024
_NAN = "not-a-number"


def damaged(payload: bytes, kind: MalformedKind) -> bytes:
    """A frame that replaces the text frame with this JSON object as its payload."""
    match kind:
        case "truncated":
            return frame(payload[: len(payload) * 2 // 3].decode(errors="ignore").encode())
        case "not_json":
            return frame(b"<html>502 Bad Gateway</html>")
        case "empty_list":
            return frame(b"[]")
        case "empty_object":
            return frame(b"{}")
        case "binary":
            return frame(b"\x00\x01\xfe\xff" + payload[:64], BINARY)
        case "bad_utf8":
            return frame(b'{"stream":"\xff\xfe', TEXT)
        case _:
            return frame(_with_changed_event(payload, kind))


def _with_changed_event(payload: bytes, kind: MalformedKind) -> bytes:
    message: dict[str, Any] = msgspec.json.decode(payload)
    event = message["data"] if "stream" in message else message
    match kind:
        case "wrong_types":
            event.update({name: {"not": "this"} for name in ("p", "b", "u", "t") if name in event})
        case "missing_field":
            for name in ("p", "u"):
                event.pop(name, None)
        case "nan":
            _set_quantities(event, _NAN)
        case "negative":
            _set_quantities(event, "-1.5")
        case "unknown_event":
            event["e"] = "somethingNew"
        case "huge":
            event.clear()
            event.update({"e": "somethingHuge", "pad": "x" * HUGE_BYTES})
    return msgspec.json.encode(message).replace(f'"{_NAN}"'.encode(), b"NaN")


def _set_quantities(event: dict[str, Any], quantity: str) -> None:
    if "q" in event:
        event["q"] = quantity
    for side in ("b", "a"):
        if isinstance(event.get(side), list):
            event[side] = [[price, quantity] for price, _ in event[side]]
