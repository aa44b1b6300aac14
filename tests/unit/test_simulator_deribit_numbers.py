"""The forms in which simulated Deribit writes numbers, and what they are without loss."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.simulator.deribit.catalog import CONTRACTS
from mprism.simulator.deribit.numbers import (
    FloatGrid,
    Number,
    WholeGrid,
    exact,
    float_form,
    plain_text,
)
from tests.unit.deribit_scene import open_market, payload


@pytest.mark.parametrize(
    ("units", "digits", "sent", "text"),
    [
        (2_200, 0, "2.2e3", "2200"),
        (200, 0, "200.0", "200.0"),
        (1_054, 0, "1054.0", "1054.0"),
        (277_265, 2, "2772.65", "2772.65"),
        (9_200_000, 2, "9.2e4", "92000"),
        (11_374, 5, "0.11374", "0.11374"),
        (100_000, 0, "1.0e5", "100000"),
        (1_423_032_929_843_748, 19, "1.423032929843748e-4", "0.0001423032929843748"),
        (-92, 6, "-9.2e-5", "-0.000092"),
        (-5, 1, "-0.5", "-0.5"),
        (1, 1, "0.1", "0.1"),
        (0, 3, "0.0", "0.0"),
    ],
)
def test_floats_take_the_shorter_form(units: int, digits: int, sent: str, text: str) -> None:
    assert float_form(units, digits) == sent
    assert plain_text(sent) == text
    number = Number(units, digits)
    assert (bytes(number.json), number.text) == (sent.encode(), text)


@given(st.integers(-(10**17), 10**17), st.integers(0, 19))
def test_no_form_loses_anything(units: int, digits: int) -> None:
    form = float_form(units, digits)
    true = Decimal(units).scaleb(-digits)
    assert json.loads(form, parse_float=Decimal) == true == Decimal(plain_text(form))
    assert "e" not in plain_text(form)
    assert "." in form  # it is a float for every reader


def test_whole_numbers_have_no_point() -> None:
    grid = WholeGrid(0, 10)
    assert (grid.wire(220), grid.text(220)) == ("2200", "2200")
    assert (FloatGrid(0, 10).wire(220), FloatGrid(0, 10).text(220)) == ("2.2e3", "2200")


@pytest.mark.parametrize(
    ("value", "text"), [("1.500", "1.5"), ("200", "200"), ("0.001", "0.001"), ("3E+2", "300")]
)
def test_exact_decimals(value: str, text: str) -> None:
    assert exact(Decimal(value)) == text


def test_a_book_has_numbers_of_all_forms_and_its_truth_reads_them() -> None:
    inverse, linear = "BTC-PERPETUAL", "ALGO_USDC-PERPETUAL"
    market = open_market((inverse, linear), levels=700)
    forms = set()
    for name in (inverse, linear):
        opening = payload(market.feeds[name].book.snapshot(0)).decode()
        data = json.loads(opening, parse_float=str, parse_int=str)["params"]["data"]
        true_bids, true_asks = market.truth().book_at(name, int(data["change_id"])).top()
        for sent, true in ((data["bids"], true_bids), (data["asks"], true_asks)):
            assert [(plain_text(price), plain_text(amount)) for _, price, amount in sent] == true
            numbers = [number for level in sent for number in level[1:]]
            forms |= {"e" if "e" in n else n.partition(".")[2] == "0" for n in numbers}
            forms |= {"int" for number in numbers if number.isdigit()}
    assert forms == {"e", "int", True, False}


def test_units_of_the_contracts() -> None:
    by_name = {contract.name: contract for contract in CONTRACTS}
    units = {
        name: (by_name[name].contract_size, by_name[name].unit, by_name[name].factor)
        for name in ("BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "BTC-25DEC26")
    }
    assert units == {
        "BTC-PERPETUAL": ("10", "contracts", "0.1"),
        "ETH-PERPETUAL": ("1", "contracts", "1"),
        "BTC_USDC-PERPETUAL": ("0.001", "base", "1"),
        "BTC-25DEC26": ("10", "contracts", "0.1"),
    }
