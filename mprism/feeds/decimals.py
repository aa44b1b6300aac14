"""Exact arithmetic on the decimal strings of exchanges, and strings of their JSON numbers.

Nothing is ever rounded in silence: a result that cannot be written exactly raises. The one
exception is `shares`, whose digits are stated.
"""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

from msgspec import Raw

_EXACT: Final = Context(prec=60, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow])
_ROUNDED: Final = Context(prec=60)
_MOST_PLACES: Final = 40  # before and after the point; more is no number of a market
_SHARE: Final = Decimal("0.0001")


class MalformedNumber(ValueError):
    """A text is not a finite decimal of a sensible size, or a result is not exact."""


def decimal_of(text: str) -> Decimal:
    """`text` as a number, exponents included. Raises MalformedNumber."""
    # Blanks, underscores and a plus, which Decimal() takes, are not numbers of an exchange.
    is_odd = " " in text or "_" in text or text.startswith("+") or text != text.strip()
    if is_odd or not text.isascii():
        raise MalformedNumber(f"not a number: {text[:50]!r}")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise MalformedNumber(f"not a number: {text[:50]!r}") from None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_PLACES or len(text) > _MOST_PLACES:
        raise MalformedNumber(f"not a number: {text[:50]!r}")
    return number


def plain(number: Decimal) -> str:
    """`number` without an exponent, with the digits that it has."""
    text = format(number, "f")
    return text.removeprefix("-") if not number else text


def checked(text: str) -> str:
    """`text`, known to be a number. Raises MalformedNumber."""
    return plain(decimal_of(text)) if "e" in text.lower() else _as_it_is(text)


def _as_it_is(text: str) -> str:
    decimal_of(text)
    return text


def amount(text: str) -> str:
    """`text`, known to be a number that is not below zero. Raises MalformedNumber."""
    number = checked(text)
    if decimal_of(number).is_signed():
        raise MalformedNumber(f"below zero: {text!r}")
    return number


def optional(text: str | None) -> str | None:
    """`text`, known to be a number, or None where the exchange leaves it out or empty."""
    return checked(text) if text else None


def positive(text: str | None) -> str | None:
    """The same, and None as well for zero, where zero stands for "none"."""
    number = optional(text)
    return number if number is not None and decimal_of(number) > 0 else None


def from_json(raw: Raw | bytes | str) -> str:
    """A JSON number, or a string of one, as a plain decimal with the digits that it has.

    2.2e3 is "2200". Raises MalformedNumber.
    """
    text = raw if isinstance(raw, str) else bytes(raw).decode(errors="replace")
    return checked(text.strip('"'))


def product(*texts: str) -> str:
    """The product, exactly. Raises MalformedNumber."""
    result = Decimal(1)
    try:
        for text in texts:
            result = _EXACT.multiply(result, decimal_of(text))
    except (Inexact, InvalidOperation, Overflow) as error:
        raise MalformedNumber(f"{' x '.join(texts)} has too many digits") from error
    return plain(result)


def quotient(dividend: str, divisor: str) -> str:
    """The quotient, exactly. Raises MalformedNumber."""
    try:
        result = _EXACT.divide(decimal_of(dividend), decimal_of(divisor))
    except (DivisionByZero, Inexact, InvalidOperation, Overflow) as error:
        raise MalformedNumber(f"{dividend} / {divisor} is not a decimal") from error
    return plain(result)


def difference(minuend: str, subtrahend: str) -> str:
    """The difference, exactly. Raises MalformedNumber."""
    try:
        result = _EXACT.subtract(decimal_of(minuend), decimal_of(subtrahend))
    except Inexact as error:
        raise MalformedNumber(f"{minuend} - {subtrahend} has too many digits") from error
    return plain(result)


def shares(ratio: str) -> tuple[str, str]:
    """The two parts of a whole of which the first is `ratio` times the second.

    To four places; both together are 1. Raises MalformedNumber, also below zero.
    """
    number = decimal_of(ratio)
    if number < 0:
        raise MalformedNumber(f"a ratio below zero: {ratio}")
    first = _ROUNDED.divide(number, number + 1).quantize(_SHARE)
    return plain(first), plain(1 - first)
