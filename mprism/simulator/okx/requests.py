"""Requests that a client sends over a WebSocket connection: reading them, refusing them.

An error carries the request's id only where it was understood so far that its id counts.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

LONGEST_REQUEST = 64 * 1024  # bytes
OPERATIONS = ("subscribe", "unsubscribe", "login")

INVALID = "60012"
NO_SUCH_CHANNEL = "60018"
TOO_FREQUENT = "60014"
LOGIN_FAILED = "60009"

_ID = re.compile(r"[A-Za-z0-9]{1,32}")


class RefusedError(Exception):
    """A request is answered with an error event."""

    def __init__(self, code: str, msg: str, id_: str | None = None) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.id = id_


@dataclass(frozen=True, slots=True)
class Request:
    """A request of one of `OPERATIONS`. Each of `args` is one channel with its parameter."""

    operation: str
    args: list[dict[str, str]]
    id: str | None


def read_request(text: str) -> Request:
    """The request in a text message. Raises RefusedError when there is none."""
    refusal = RefusedError(INVALID, f"Invalid request: {text[:200]}")
    if len(text.encode(errors="replace")) > LONGEST_REQUEST:
        raise refusal
    try:
        message: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise refusal from error
    if not isinstance(message, dict):
        raise refusal
    id_ = message.get("id")
    if id_ is not None and not (isinstance(id_, str) and _ID.fullmatch(id_)):
        raise refusal
    refusal.id = id_
    operation, args = message.get("op"), message.get("args")
    if operation not in OPERATIONS or not isinstance(args, list) or not args:
        raise refusal
    for arg in args:
        if not isinstance(arg, dict) or not all(isinstance(part, str) for part in arg.values()):
            raise refusal
    return Request(operation, args, id_)
