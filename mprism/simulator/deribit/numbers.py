"""Numbers as Deribit writes them in JSON: no strings, now and then with an exponent.

Its encoder takes the shorter of the plain and the exponent form, so 2200 becomes `2.2e3`
while 1054 stays `1054.0`; whole numbers of some fields have no point at all. The text of a
number is what a reader that loses nothing makes of it: the same digits, no exponent.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import msgspec

from mprism.simulator.instrument import Grid


@lru_cache(maxsize=65_536)
def float_form(units: int, digits: int) -> str:
    """`units` x 10^-`digits` as the exchange writes a float."""
    if not units:
        return "0.0"
    sign, coefficient = "-" if units < 0 else "", str(abs(units)).rstrip("0")
    exponent = len(str(abs(units))) - 1 - digits  # of the first digit
    if exponent < 0:
        plain = "0." + "0" * (-exponent - 1) + coefficient
    else:
        whole = coefficient[: exponent + 1].ljust(exponent + 1, "0")
        plain = f"{whole}.{coefficient[exponent + 1 :] or '0'}"
    scientific = f"{coefficient[0]}.{coefficient[1:] or '0'}e{exponent}"
    return sign + (scientific if len(scientific) < len(plain) else plain)


def plain_text(number: str) -> str:
    """A JSON number without an exponent, its digits kept: `2.2e3` is `2200`."""
    return format(Decimal(number), "f") if "e" in number else number


@dataclass(frozen=True, slots=True)
class Number:
    """One value of a message: `units` x 10^-`digits`, written as a float."""

    units: int
    digits: int

    @property
    def json(self) -> msgspec.Raw:
        """As it is sent."""
        return msgspec.Raw(float_form(self.units, self.digits).encode())

    @property
    def text(self) -> str:
        """As a reader that loses nothing has it."""
        return plain_text(float_form(self.units, self.digits))

    @property
    def decimal(self) -> Decimal:
        """Its exact value."""
        return Decimal(self.units).scaleb(-self.digits)


@dataclass(frozen=True, slots=True)
class FloatGrid(Grid):
    """A grid whose values are sent as floats."""

    def wire(self, count: int) -> str:
        """`count` steps as it is sent."""
        return float_form(count * self.step, self.digits)

    def text(self, count: int) -> str:
        """`count` steps as a reader that loses nothing has it."""
        return plain_text(self.wire(count))


@dataclass(frozen=True, slots=True)
class WholeGrid(Grid):
    """A grid whose values are sent as integers; it has no digits after the point."""

    def wire(self, count: int) -> str:
        """`count` steps as it is sent."""
        return str(count * self.step)


AmountGrid = FloatGrid | WholeGrid


def exact(value: Decimal) -> str:
    """A decimal without exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
