"""Broken frames in place of good ones, one way for each kind of `MalformedKind`.

Each damaged message is of no use to a correct reader: whatever the frame carried is lost.
What the fields of the exchanges are called is known here, in one place.
"""

from typing import Any

import msgspec

from mprism.simulator.faults import MalformedKind
from mprism.simulator.wire import BINARY, TEXT, frame

HUGE_BYTES = 2 * 1024 * 1024
_NAN = "not-a-number"
_NAMES = {"e", "s", "instId", "instType", "instrument_name", "index_name"}
"""Fields that say what a message is about; every other one says something of it."""
_QUANTITIES = ("q", "sz", "amount")
_SIDES = ("b", "a", "bids", "asks")


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
            return frame(_with_changed_events(payload, kind))


def _with_changed_events(payload: bytes, kind: MalformedKind) -> bytes:
    message: dict[str, Any] = msgspec.json.decode(payload)
    if kind == "unknown_event":
        _rename(message)
    for event in _events(message):
        _change(event, kind)
    return msgspec.json.encode(message).replace(f'"{_NAN}"'.encode(), b"NaN")


def _events(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that a message of any exchange carries; itself, if it is one."""
    data = message.get("params", message).get("data", message)
    return data if isinstance(data, list) else [data]


def _rename(message: dict[str, Any]) -> None:
    """Make a message of a kind that nobody knows."""
    named = message.get("arg") or message.get("params")
    if named:
        named["channel"] = "something.new"
        return
    for event in _events(message):
        event["e"] = "somethingNew"


def _change(event: dict[str, Any], kind: MalformedKind) -> None:
    match kind:
        case "wrong_types":
            event.update({name: {"not": "this"} for name in event.keys() - _NAMES})
        case "missing_field":
            for name in event.keys() - _NAMES - {"U", "pu"}:
                del event[name]
        case "nan":
            _set_quantities(event, _NAN, _NAN)
        case "negative":
            _set_quantities(event, "-1.5", -1.5)
        case "huge":
            event.clear()
            event.update({"e": "somethingHuge", "pad": "x" * HUGE_BYTES})


def _set_quantities(event: dict[str, Any], text: str, number: str | float) -> None:
    """Give each quantity this value, as a string where it was one."""
    changed = False
    for name in _QUANTITIES:
        if name in event:
            event[name] = text if isinstance(event[name], str) else number
            changed = True
    for side in _SIDES:
        if isinstance(event.get(side), list):
            event[side] = [_with_quantity(level, text, number) for level in event[side]]
            changed = True
    if not changed:
        event.update(dict.fromkeys(event.keys() - _NAMES, _NAN if text is _NAN else {}))


def _with_quantity(level: list[Any], text: str, number: str | float) -> list[Any]:
    # Deribit's levels begin with what to do; OKX's end with two columns more.
    place = 1 if isinstance(level[1], str) else 2
    changed = level.copy()
    changed[place] = text if isinstance(level[place], str) else number
    return changed
