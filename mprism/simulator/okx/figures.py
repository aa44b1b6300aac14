"""Decimal strings as OKX writes them: plain, without zeros at the end."""

from decimal import Decimal


def figure(number: Decimal) -> str:
    """`number` with all its digits, never with an exponent, e.g. "0.00001" or "-120"."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def scaled(count: int, digits: int) -> Decimal:
    """`count` units of the last of `digits` decimal places, exactly."""
    return Decimal(count).scaleb(-digits)
