"""What USD-M's events and REST rows share: amounts, and why they are refused."""

from mprism.feeds.decimals import MalformedNumber, checked, decimal_of

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
