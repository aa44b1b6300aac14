"""Query parameters of REST requests: reading them, and the errors for bad ones."""

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

EMPTY, WRONG, NO_INSTRUMENT = "50014", "51000", "51001"

_WHOLE = re.compile(r"[0-9]{1,18}")


class BadRequestError(Exception):
    """A request is answered with this error, and with status 200."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class Query:
    """The parameters of one request. The methods raise BadRequestError."""

    def __init__(self, text: str) -> None:
        self._params = dict(parse_qsl(text))

    def get(self, name: str) -> str:
        """A parameter, empty if it was not given."""
        return self._params.get(name, "")

    def one_of(self, name: str, allowed: Collection[str], default: str = "") -> str:
        """A parameter with one of these values."""
        value = self.get(name) or default
        if not value:
            raise BadRequestError(EMPTY, f"Parameter {name} cannot be empty.")
        if value not in allowed:
            raise BadRequestError(WRONG, f"Parameter {name} error")
        return value

    def instrument(self, known: Collection[str]) -> str:
        """The id of a listed instrument."""
        inst_id = self.get("instId")
        if not inst_id:
            raise BadRequestError(EMPTY, "Parameter instId cannot be empty.")
        if inst_id not in known:
            raise BadRequestError(
                NO_INSTRUMENT, "Instrument ID, Instrument ID code, or Spread ID doesn't exist."
            )
        return inst_id

    def whole(self, name: str, default: int, most: int | None = None) -> int:
        """A whole number, lowered to `most`."""
        text = self.get(name)
        if not text:
            return default
        if not _WHOLE.fullmatch(text):
            raise BadRequestError(WRONG, f"Parameter {name} error")
        return int(text) if most is None else min(int(text), most)
