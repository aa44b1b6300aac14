"""Requests that a client sends over a stream connection: reading them, refusing them.

Codes and texts are those of the exchange (0 unknown property, 1 wrong value type, 2 invalid
request, 3 invalid JSON). An error carries the request's id only where the request was
understood so far that its id counts.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

_ID_TEXT = re.compile(r"[A-Za-z0-9]{0,36}")
_INT64 = 2**63


class RefusedError(Exception):
    """A request is answered with an error."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


@dataclass(frozen=True, slots=True)
class Request:
    """A request of one of `METHODS`. Its parameters are not checked yet."""

    method: str
    params: list[Any]
    id: int | str | None

    def names(self) -> list[str]:
        """The parameters as stream names. Raises RefusedError."""
        if not all(isinstance(name, str) for name in self.params):
            raise RefusedError(2, "Invalid request: invalid type, expected a string")
        return self.params

    def property_value(self, count: int) -> object:
        """The last of `count` parameters, which follow the name of a property that exists."""
        name = self.params[0] if self.params else None
        if not isinstance(name, str):
            raise RefusedError(2, "Invalid request: property name must be a string")
        if len(self.params) > count:
            raise RefusedError(2, "Invalid request: too many parameters")
        if name != "combined":
            raise RefusedError(0, "Unknown property")
        return self.params[-1]


def read_request(text: str) -> Request:
    """The request in a text message. Raises RefusedError when there is none."""
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise RefusedError(3, "Invalid JSON: expected value at line 1 column 1") from error
    if not isinstance(message, dict):
        raise RefusedError(2, "Invalid request: invalid type, expected struct Request")
    if "method" not in message:
        end = len(text)
        raise RefusedError(2, f"Invalid request: missing field `method` at line 1 column {end}")
    method, params = message["method"], message.get("params", [])
    if method not in METHODS:
        known = ", ".join(f"`{name}`" for name in METHODS)
        raise RefusedError(
            2, f"Invalid request: unknown variant `{method}`, expected one of {known}"
        )
    if "id" not in message or not _is_id(message["id"]):
        raise RefusedError(2, "Invalid request: request ID must be an unsigned integer")
    if not isinstance(params, list) or not message.keys() <= {"method", "params", "id"}:
        raise RefusedError(2, "Invalid request: too many parameters")
    return Request(method, params, message["id"])


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return _ID_TEXT.fullmatch(value) is not None
    if isinstance(value, int) and not isinstance(value, bool):
        return -_INT64 <= value < _INT64
    return value is None
