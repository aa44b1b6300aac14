"""Decimal strings stay exact, and are never rounded or written with an exponent in silence."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Raw

from mprism.feeds.decimals import (
    MalformedNumber,
    checked,
    decimal_of,
    difference,
    from_json,
    optional,
    plain,
    positive,
    product,
    quotient,
    shares,
)

LONGEST = 40  # characters of a number
PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


@st.composite
def numbers(draw: st.DrawFn, sign: str = "-") -> str:
    """A decimal of an exchange: up to 14 digits before and 12 after the point, or an exponent."""
    whole = str(draw(st.integers(0, 10**14)))
    part = draw(st.text("0123456789", max_size=12))
    exponent = draw(st.sampled_from(["", "", "", "e3", "E+5", "e-8", "E-11"]))
    minus = draw(st.sampled_from(["", sign]))
    return minus + whole + (f".{part}" if part else "") + exponent


def exact(text: str) -> Fraction:
    return Fraction(Decimal(text))


@given(numbers())
def test_a_number_is_written_without_an_exponent_and_is_the_same(text: str) -> None:
    for written in (checked(text), from_json(text), from_json(Raw(text.encode()))):
        assert PLAIN.fullmatch(written)
        assert exact(written) == exact(text)
    if "e" not in text.lower():
        assert checked(text) == text


@given(numbers(), numbers())
def test_products_and_differences_are_exact(one: str, other: str) -> None:
    assert PLAIN.fullmatch(product(one, other))
    assert exact(product(one, other)) == exact(one) * exact(other)
    assert PLAIN.fullmatch(difference(one, other))
    assert exact(difference(one, other)) == exact(one) - exact(other)


@given(numbers(), numbers())
def test_a_quotient_undoes_a_product(one: str, other: str) -> None:
    assume(decimal_of(other) and len(product(one, other)) <= LONGEST)
    assert exact(quotient(product(one, other), other)) == exact(one)


@given(numbers(), numbers())
def test_a_quotient_is_exact_or_refused(one: str, other: str) -> None:
    try:
        result = quotient(one, other)
    except MalformedNumber:
        return
    assert PLAIN.fullmatch(result)
    assert exact(result) * exact(other) == exact(one)


@given(numbers(sign=""))
def test_both_shares_are_one_and_near_the_ratio(ratio: str) -> None:
    first, second = map(Fraction, shares(ratio))
    assert first + second == 1
    assert 0 <= first <= 1
    assert abs(first - exact(ratio) / (exact(ratio) + 1)) <= Fraction(1, 20_000)
    assert all(re.fullmatch(r"[01]\.[0-9]{4}", share) for share in shares(ratio))


@pytest.mark.parametrize(
    ("ratio", "both"),
    [
        ("0.97", ("0.4924", "0.5076")),
        ("1", ("0.5000", "0.5000")),
        ("1.0000", ("0.5000", "0.5000")),
        ("0", ("0.0000", "1.0000")),
        ("3", ("0.7500", "0.2500")),
        ("1.8105", ("0.6442", "0.3558")),
        ("1000000", ("1.0000", "0.0000")),
        ("1e-1", ("0.0909", "0.9091")),
    ],
)
def test_shares_of_a_ratio(ratio: str, both: tuple[str, str]) -> None:
    assert shares(ratio) == both


@pytest.mark.parametrize("ratio", ["-0.5", "-1", "", "NaN", "Infinity"])
def test_a_ratio_that_has_no_shares(ratio: str) -> None:
    with pytest.raises(MalformedNumber):
        shares(ratio)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("2.2e3", "2200"),
        ("2.2E+3", "2200"),
        ("1e-8", "0.00000001"),
        ("1.50E-7", "0.000000150"),
        ("0.00000001", "0.00000001"),
        ("27785.10", "27785.10"),
        ("27785", "27785"),
        ("27785.0", "27785.0"),
        ("-0.0001", "-0.0001"),
        ("-1.25e-5", "-0.0000125"),
        ("0", "0"),
        ("-0.0e1", "0"),
        ('"12.50"', "12.50"),
        ("100000000000000000000.25", "100000000000000000000.25"),
    ],
)
def test_numbers_of_json_keep_their_digits(wire: str, text: str) -> None:
    assert from_json(Raw(wire.encode())) == text
    assert from_json(wire.encode()) == text
    assert from_json(wire) == text


MALFORMED = [
    "",
    " ",
    "1 ",
    " 1",
    "1\n",
    "1_000",
    "1,5",
    "1.2.3",
    "1e",
    "e5",
    "--1",
    "+1",
    "0x10",
    "NaN",
    "sNaN",
    "Infinity",
    "-inf",
    "null",
    "true",
    "\u0661",  # an Arabic digit, which Decimal() takes
    "1e41",
    "1e-41",
    "1e999999999",
    "1e99999999999999999999",
    "9" * (LONGEST + 1),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_number_is_refused(text: str) -> None:
    for read in (decimal_of, checked):
        with pytest.raises(MalformedNumber, match="not a number"):
            read(text)
    for compute in (
        lambda: product("1", text),
        lambda: quotient(text, "1"),
        lambda: difference("1", text),
        lambda: shares(text),
    ):
        with pytest.raises(MalformedNumber):
            compute()


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_any_text_is_a_plain_number_or_refused(text: str | bytes) -> None:
    try:
        written = from_json(text)
    except MalformedNumber:
        return
    assert Decimal(written).is_finite()
    assert "e" not in written.lower()
    assert len(written) <= 90


@pytest.mark.parametrize(
    ("dividend", "divisor"), [("1", "3"), ("1", "0"), ("0", "0"), ("10", "0.7")]
)
def test_a_quotient_that_is_no_decimal_is_refused(dividend: str, divisor: str) -> None:
    with pytest.raises(MalformedNumber, match="is not a decimal"):
        quotient(dividend, divisor)


def test_a_product_with_too_many_digits_is_refused() -> None:
    long = "1.23456789012345678901234567890123"
    with pytest.raises(MalformedNumber, match="has too many digits"):
        product(long, long)
    assert product() == "1"


def test_a_difference_with_too_many_digits_is_refused() -> None:
    with pytest.raises(MalformedNumber, match="has too many digits"):
        difference("1e40", "1e-40")


@pytest.mark.parametrize(
    ("text", "as_optional", "as_positive"),
    [
        (None, None, None),
        ("", None, None),
        ("0", "0", None),
        ("0.000", "0.000", None),
        ("-1", "-1", None),
        ("0.10", "0.10", "0.10"),
        ("1e2", "100", "100"),
    ],
)
def test_what_is_left_out_is_none(
    text: str | None, as_optional: str | None, as_positive: str | None
) -> None:
    assert optional(text) == as_optional
    assert positive(text) == as_positive


@pytest.mark.parametrize("read", [optional, positive])
def test_what_is_there_must_be_a_number(read: object) -> None:
    assert callable(read)
    with pytest.raises(MalformedNumber):
        read("n/a")


def test_zero_has_no_sign() -> None:
    assert plain(Decimal("-0.00")) == "0.00"
    assert difference("1.10", "1.10") == "0.00"
    assert product("-1", "0") == "0"
