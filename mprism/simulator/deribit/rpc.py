"""JSON-RPC as Deribit speaks it: requests, parameters, answers and errors.

Parameters come typed over WebSocket and as text over REST; both are read alike. Codes and
texts are the exchange's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
TOO_MANY_REQUESTS = 10028
BAD_REQUEST = 11050
NOT_FOUND = 13020
RAW_REFUSED = 13778

_OWN_MICROSECONDS = 75  # what an answer takes


class RpcError(Exception):
    """A request is answered with this error."""

    def __init__(self, code: int, message: str, data: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        """The `error` of an answer."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        return body if self.data is None else {**body, "data": self.data}


def invalid(param: str, reason: str) -> RpcError:
    """The error for a parameter that is wrong."""
    return RpcError(INVALID_PARAMS, "Invalid params", {"reason": reason, "param": param})


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a method."""

    method: str
    params: "Params"
    id: object


class Params:
    """The parameters of a call. The methods raise RpcError."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        """A string; mandatory without a default."""
        value = self._values.get(name, default)
        if value is None:
            raise invalid(name, "value required")
        if not isinstance(value, str):
            raise invalid(name, "must be a string")
        return value

    def one_of(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """A string of a few."""
        value = str(self._values.get(name, default or ""))
        if value not in allowed:
            raise invalid(name, f"must be one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number; mandatory without a default."""
        value = self.optional(name)
        if value is None:
            value = default
        if value is None:
            raise invalid(name, "value required")
        return value

    def optional(self, name: str) -> int | None:
        """A whole number, or None if it is not given."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, bool | float):
                raise ValueError(value)
            return int(value)
        except (TypeError, ValueError) as error:
            raise invalid(name, "must be an integer") from error

    def flag(self, name: str) -> bool:
        """True or false, the default."""
        value = self._values.get(name, False)
        if value in (True, False):
            return bool(value)
        if value in ("true", "false"):
            return bool(value == "true")
        raise invalid(name, "must be a boolean")

    def names(self, name: str) -> list[str]:
        """A list of strings."""
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid(name, "must be a list of strings")
        return value


def read_call(text: str) -> Call:
    """The call in a text message. Raises RpcError, which is then answered without an id."""
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise RpcError(BAD_REQUEST, "bad_request") from error
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        raise RpcError(BAD_REQUEST, "bad_request")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(BAD_REQUEST, "bad_request")
    return Call(message["method"], Params(params), message.get("id"))


def answer(now_us: int, id_: object = None, **outcome: object) -> bytes:
    """An answer with a `result` or an `error`, which came in at `now_us` (epoch)."""
    head: dict[str, object] = {"jsonrpc": "2.0"}
    if id_ is not None:
        head["id"] = id_
    times = {
        "usIn": now_us,
        "usOut": now_us + _OWN_MICROSECONDS,
        "usDiff": _OWN_MICROSECONDS,
        "testnet": False,
    }
    return msgspec.json.encode({**head, **outcome, **times})
