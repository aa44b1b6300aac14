"""What USD-M's events and REST rows share: amounts that may be left out, and why one is refused."""

from mprism.feeds.decimals import amount, decimal_of

MALFORMED = "malformed value"
"""The reason for a value, or an answer of REST, that cannot be read."""

UNKNOWN = "unknown value"
"""The reason for a name that we do not know where the exchange has a closed set of them."""


def amount_if_any(text: str) -> str | None:
    """`text` as an amount, and None where it is empty or zero, which stand for "none"."""
    number = amount(text) if text else None
    return number if number is not None and decimal_of(number) else None
