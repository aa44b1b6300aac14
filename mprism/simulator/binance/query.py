"""Query parameters of REST requests: reading them, and the errors for bad ones."""

import re
from urllib.parse import parse_qsl

import msgspec

from mprism.simulator.binance.statistics import (
    DEFAULT_POINTS,
    KEPT_MS,
    MOST_POINTS,
    PERIODS,
    Span,
)
from mprism.simulator.binance.venue import Venue

_SYMBOL = re.compile(r"[^a-z\W]{1,50}")
_SYMBOL_RANGE = r"^[\w\-._&&[^a-z]]{1,50}$"
_LIMIT = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_LIMIT_RANGE = "^[0-9]{1,20}$"
_SYMBOLS_RANGE = r"^\[\"[\w\-._&&[^a-z]]{1,50}\"(,...)*\]$"


class BadRequestError(Exception):
    """A request is answered with status 400 and this error."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class Query:
    """The parameters of one request. The methods raise BadRequestError."""

    def __init__(self, venue: Venue, text: str) -> None:
        self._venue = venue
        self._params = dict(parse_qsl(text, keep_blank_values=True))

    def depth_weight(self) -> int:
        """What a depth request with this limit costs, whether or not the limit is allowed."""
        text = self._params.get("limit", "")
        limit = int(text) if _LIMIT.fullmatch(text) else self._venue.default_depth
        weights = self._venue.depth_weights
        return next((weight for most, weight in weights if limit <= most), weights[-1][1])

    def depth_limit(self) -> int:
        """How many levels a side are asked for."""
        text = self._params.get("limit", str(self._venue.default_depth))
        if not _LIMIT.fullmatch(text):
            raise _illegal_characters("limit", _LIMIT_RANGE)
        limit = int(text)
        if self._venue.depth_limits and limit not in self._venue.depth_limits:
            raise BadRequestError(-4021, f"{limit} is not valid depth limit.")
        if limit < 1:
            raise _invalid("limit")
        return min(limit, self._venue.depth_weights[-1][0])

    def listed_symbol(self) -> str:
        """The symbol, which must be a listed one in upper case."""
        symbol = self._mandatory("symbol")
        if not _SYMBOL.fullmatch(symbol):
            raise _illegal_characters("symbol", _SYMBOL_RANGE)
        self._check_listed({symbol})
        return symbol

    @property
    def symbol_is_missing(self) -> bool:
        """Whether no symbol was sent."""
        return "symbol" not in self._params

    def span(self, now_ms: int) -> Span:
        """Which points of the statistics are asked for."""
        period = self._mandatory("period")
        limit = self._number("limit") or DEFAULT_POINTS
        start_ms, end_ms = self._number("startTime"), self._number("endTime")
        if period not in PERIODS:
            raise _invalid("period")
        if limit > MOST_POINTS:
            raise _invalid("limit")
        if start_ms is not None and start_ms < now_ms - KEPT_MS:
            raise BadRequestError(-1130, "parameter 'startTime' is invalid.")
        return Span(period, limit, start_ms, end_ms)

    def _number(self, name: str) -> int | None:
        text = self._params.get(name)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text):
            raise _illegal_characters(name, _LIMIT_RANGE)
        return int(text)

    def symbols(self) -> set[str] | None:
        """The listed symbols that `symbol` or `symbols` name; None for all there are."""
        if "symbol" in self._params:
            return {self.listed_symbol()}
        if "symbols" not in self._params:
            return None
        try:
            wanted = set(msgspec.json.decode(self._params["symbols"], type=list[str]))
        except msgspec.DecodeError as error:
            raise _illegal_characters("symbols", _SYMBOLS_RANGE) from error
        self._check_listed(wanted)
        return wanted

    def _check_listed(self, symbols: set[str]) -> None:
        if not symbols <= {instrument.symbol for instrument in self._venue.catalog}:
            raise BadRequestError(-1121, "Invalid symbol.")

    def _mandatory(self, name: str) -> str:
        value = self._params.get(name)
        if not value:
            text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            raise BadRequestError(-1102, text)
        return value


def _invalid(name: str) -> BadRequestError:
    return BadRequestError(-1130, f"Data sent for parameter '{name}' is not valid.")


def _illegal_characters(name: str, legal: str) -> BadRequestError:
    return BadRequestError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )
