"""Quantities of the wire in the unit that is published, exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.decimals import MalformedNumber
from mprism.feeds.instrument import Instrument


def instrument(multiplier: str = "1", divisor: str = "1") -> Instrument:
    return Instrument(
        "e", "perpetual", "BTC-USDT", "BTCUSDT", multiplier=multiplier, divisor=divisor
    )


@pytest.mark.parametrize(
    ("multiplier", "divisor", "wire", "quantity"),
    [
        ("0.01", "1", "12", "0.12"),
        ("0.01", "1", "12.5", "0.125"),
        ("0.0001", "1", "0.00000001", "0.000000000001"),
        ("10", "1", "3", "30"),
        ("1", "10", "30", "3"),
        ("1", "10", "35", "3.5"),
        ("1", "100", "2.2e3", "22"),
        ("0.1", "10", "100", "1.0"),
        ("0.01", "1", "0", "0.00"),
    ],
)
def test_a_quantity_is_scaled_exactly(
    multiplier: str, divisor: str, wire: str, quantity: str
) -> None:
    scaled = instrument(multiplier, divisor)
    assert scaled.is_scaled
    assert Decimal(scaled.quantity(wire)) == Decimal(quantity)
    assert "E" not in scaled.quantity(wire)


@pytest.mark.parametrize("factor", ["1", "10", "0.01"])
@pytest.mark.parametrize("wire", ["0.01400000", "14", "0"])
def test_a_quantity_in_its_own_unit_keeps_its_digits(factor: str, wire: str) -> None:
    plain = instrument(factor, factor)
    assert not plain.is_scaled
    assert plain.quantity(wire) == wire


@given(
    size=st.decimals(0, 10**9, places=8, allow_nan=False),
    multiplier=st.sampled_from(["0.0001", "0.01", "0.1", "1", "10", "100"]),
    divisor=st.sampled_from(["1", "2", "10", "100"]),
)
def test_any_quantity_is_exact(size: Decimal, multiplier: str, divisor: str) -> None:
    wire = format(size, "f")
    scaled = instrument(multiplier, divisor).quantity(wire)
    assert Fraction(scaled) * Fraction(divisor) == Fraction(wire) * Fraction(multiplier)
    assert "E" not in scaled


@pytest.mark.parametrize(
    ("multiplier", "divisor", "wire"),
    [("1", "3", "10"), ("0.01", "1", ""), ("0.01", "1", "1_0"), ("0.01", "1", "NaN")],
)
def test_what_cannot_be_told_exactly_is_refused(multiplier: str, divisor: str, wire: str) -> None:
    with pytest.raises(MalformedNumber):
        instrument(multiplier, divisor).quantity(wire)
