"""What USD-M's events and REST rows share: amounts, and whether a row is new."""

from mprism.feeds.decimals import MalformedNumber, checked, decimal_of
from mprism.feeds.protocol import Continuity

MALFORMED = "malformed value"
"""The reason for a value, or an answer of REST, that cannot be read."""

UNKNOWN = "unknown value"
"""The reason for a name that we do not know where the exchange has a closed set of them."""


def amount(text: str) -> str:
    """`text`, known to be a number that is not below zero. Raises MalformedNumber."""
    number = checked(text)
    if decimal_of(number).is_signed():
        raise MalformedNumber(f"below zero: {text!r}")
    return number


def amount_if_any(text: str) -> str | None:
    """The same, and None where it is empty or zero, which stand for "none"."""
    number = amount(text) if text else None
    return number if number is not None and decimal_of(number) else None


def is_newer(continuity: Continuity, series: str, time: int) -> bool:
    """Whether `time`, in ms, is after all that the series has had; if so it is remembered."""
    if time <= continuity.last_time.get(series, -1):
        return False
    continuity.last_time[series] = time
    return True
