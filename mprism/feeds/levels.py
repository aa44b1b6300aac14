"""Price levels as an exchange sends them: checked, and read as numbers.

The text is read once for its numbers and passed on as it is. That text is what is meant is
proved by looking at all of it at once, because there are tens of thousands of levels a
second: it is JSON of pairs of numbers, it has only digits, points, brackets, commas and
quotes, and it has two quotes for every number. What fails this is looked at level by level:
it may be JSON with blanks in it, or decimals like ".5" that JSON does not know.
"""

import re
from collections.abc import Sequence
from math import inf
from typing import Final

from msgspec import DecodeError, Raw
from msgspec.json import Decoder, Encoder

from mprism.schema import Level

# Signs, exponents, NaN, infinity, blanks and underscores, all of which float() takes, are not
# decimals of an exchange.
_DECIMAL: Final = re.compile(r"[0-9.]+", re.ASCII).fullmatch
_MOST_CHARACTERS: Final = 40  # of an amount; more is none of a market, and may go into an id
_PLAIN: Final = b'0123456789.,"[]'
_encode: Final = Encoder().encode
_decode_texts: Final = Decoder(list[Level]).decode
_decode_numbers: Final = Decoder(list[tuple[float, float]], strict=False).decode

AnyLevels = Raw | Sequence[Level]
"""Levels as JSON or as they are."""

Change = tuple[tuple[float, float], bytes]
"""One level: price and quantity as floats, and its JSON without the brackets."""


class MalformedLevels(ValueError):
    """A price or quantity is not a plain decimal, or a price is not above zero."""


def is_amount(text: str) -> bool:
    """Whether `text` is a plain decimal above zero, as a price or a traded quantity must be."""
    return len(text) <= _MOST_CHARACTERS and _number(text) > 0.0


def _number(text: str) -> float:
    """The plain decimal `text`; -1 if it is none."""
    if not _DECIMAL(text):
        return -1.0
    try:
        number = float(text)
    except ValueError:
        return -1.0
    return number if number < inf else -1.0


def parse_levels(levels: AnyLevels) -> list[Change]:
    """Check and read levels. Raises MalformedLevels naming the first bad one."""
    text = bytes(levels) if isinstance(levels, Raw) else _encode(levels)
    try:
        numbers = _decode_numbers(text)
    except DecodeError:
        return _parse_each(text)
    if not numbers:
        return []
    is_plain = not text.translate(None, _PLAIN) and text.count(b'"') == 4 * len(numbers)
    if not is_plain or min(numbers)[0] <= 0.0:
        return _parse_each(text)
    return list(zip(numbers, text[2:-2].split(b"],["), strict=True))


def _parse_each(text: bytes) -> list[Change]:
    try:
        levels = _decode_texts(text)
    except (DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedLevels(str(error)) from error
    return [_parse(level) for level in levels]


def _parse(level: Level) -> Change:
    price, quantity = map(_number, level)
    if price <= 0.0 or quantity < 0.0:
        raise MalformedLevels(f"not a price level: {level!r}")
    return (price, quantity), _encode(level)[1:-1]


def level_of(text: bytes) -> Level:
    """The level of a change's text."""
    price, quantity = text[1:-1].decode().split('","')
    return price, quantity
