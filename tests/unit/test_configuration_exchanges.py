"""What each exchange has and collects, and what is refused because an exchange has it not."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mprism.configuration import COLLECTOR_FILE, EXCHANGE_FOLDER, ConfigurationError, load
from mprism.schema import DATA_TYPES
from mprism.settings import DEFAULTS, OFFERED, ExchangeName, ExchangeSettings, Settings

SPOT = ("orderbook", "trade")
DERIVATIVES = (*SPOT, "funding_rate", "open_interest", "liquidation")
RATIOS = ("lsr_top_position", "lsr_all_account")
TABLE = {
    "binance_spot": SPOT,
    "binance_derivatives": (*DERIVATIVES, *RATIOS),
    "okx_spot": SPOT,
    "okx_derivatives": (*DERIVATIVES, *RATIOS),
    "deribit_derivatives": (*DERIVATIVES, "volatility_index"),
}


def loaded(
    folder: Path, collector: str = "", **exchanges: str
) -> dict[ExchangeName, ExchangeSettings]:
    """The exchanges of these files."""
    names = {COLLECTOR_FILE: collector}
    names |= {EXCHANGE_FOLDER / f"{name}.yaml": text for name, text in exchanges.items()}
    for name, text in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return load(folder, []).exchanges


def data_types_of(exchanges: dict[ExchangeName, ExchangeSettings]) -> dict[str, Sequence[str]]:
    return {name: settings.data_types for name, settings in exchanges.items()}


def test_the_table_of_data_types_is_complete() -> None:
    assert OFFERED == TABLE
    assert {each for offered in TABLE.values() for each in offered} == set(DATA_TYPES)


def test_each_exchange_collects_all_that_it_has_by_default(tmp_path: Path) -> None:
    exchanges = loaded(tmp_path)
    assert data_types_of(exchanges) == TABLE
    assert exchanges == DEFAULTS == Settings().exchanges
    symbols = {name: settings.symbols for name, settings in exchanges.items()}
    assert symbols == dict.fromkeys(TABLE, ("BTC-USDT", "ETH-USDT")) | {
        "deribit_derivatives": ("BTC-USD", "ETH-USD", "BTC-USDC")
    }


def test_other_defaults_leave_what_each_exchange_collects(tmp_path: Path) -> None:
    exchanges = loaded(tmp_path, "defaults: {rest_timeout_seconds: 3}")
    assert data_types_of(exchanges) == TABLE
    assert exchanges["deribit_derivatives"].symbols == ("BTC-USD", "ETH-USD", "BTC-USDC")
    assert {settings.rest_timeout_seconds for settings in exchanges.values()} == {3}


def test_each_exchange_takes_what_it_has_of_the_data_types_for_all(tmp_path: Path) -> None:
    collector = "defaults: {data_types: [volatility_index, liquidation, lsr_all_account, trade]}"
    own = "data_types: [orderbook]"
    assert data_types_of(loaded(tmp_path, collector, okx_spot=own)) == {
        "binance_spot": ("trade",),
        "binance_derivatives": ("liquidation", "lsr_all_account", "trade"),
        "okx_spot": ("orderbook",),
        "okx_derivatives": ("liquidation", "lsr_all_account", "trade"),
        "deribit_derivatives": ("volatility_index", "liquidation", "trade"),
    }


def test_an_exchange_that_has_none_of_them_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, "defaults: {data_types: [liquidation, funding_rate]}")
    assert str(caught.value) == (
        f"{tmp_path / COLLECTOR_FILE}: defaults.data_types: 'liquidation': "
        "binance_spot has none; allowed: orderbook, trade"
    )
    # Unless it has data types of its own, or is not collected.
    own = "data_types: [trade]"
    both = loaded(
        tmp_path,
        "{exchanges: [okx_spot, okx_derivatives], defaults: {data_types: [liquidation]}}",
        okx_spot=own,
    )
    assert data_types_of(both) == {"okx_spot": ("trade",), "okx_derivatives": ("liquidation",)}


@pytest.mark.parametrize(
    ("for_all", "own", "place"),
    [
        ("orderbook: {depth: 2000}", "", "defaults.orderbook.depth: 2000 levels"),
        ("orderbook: {depth: 2000}", "symbols: [A-B]", "defaults.orderbook.depth: 2000 levels"),
        ("orderbook: {depth: 2000}", "orderbook: {mode: updates}", "defaults.orderbook.depth: "),
        ("orderbook: {rest_levels: 100}", "", "defaults.orderbook.depth: 400 levels"),
        ("orderbook: {depth: 2000}", "orderbook: {depth: 3000}", "orderbook.depth: 3000 levels"),
        ("orderbook: {depth: 5}", "orderbook: {depth: 3000}", "orderbook.depth: 3000 levels"),
        ("trades: all", "orderbook: {rest_levels: 100}", "orderbook.depth: 400 levels"),
    ],
)
def test_a_refusal_names_the_file_that_the_value_is_in(
    tmp_path: Path, for_all: str, own: str, place: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(
            tmp_path, f"{{exchanges: [binance_spot], defaults: {{{for_all}}}}}", binance_spot=own
        )
    is_for_all = place.startswith("defaults.")
    file = COLLECTOR_FILE if is_for_all else EXCHANGE_FOLDER / "binance_spot.yaml"
    assert str(caught.value).startswith(f"{tmp_path / file}: {place}")


@pytest.mark.parametrize("name", list(TABLE))
@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_its_own_file_may_ask_for_what_it_has_alone(
    tmp_path: Path, name: ExchangeName, data_type: str
) -> None:
    own = {name: f"data_types: [trade, {data_type}]"}
    if data_type in TABLE[name]:
        assert loaded(tmp_path, **own)[name].data_types == ("trade", data_type)
        return
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, **own)
    assert f"{name}.yaml: data_types: {data_type!r}: {name} has none; allowed: " in str(
        caught.value
    )


def test_what_is_asked_for_by_rest_has_its_periods(tmp_path: Path) -> None:
    polling = loaded(
        tmp_path,
        "defaults: {polling: {ratio_seconds: 30, ratio_period: 1h}}",
        okx_derivatives="polling: {ratio_period: 15m}",
    )["okx_derivatives"].polling
    assert (polling.ratio_seconds, polling.ratio_period) == (30, "15m")
    assert polling.open_interest_seconds == ExchangeSettings().polling.open_interest_seconds


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("binance_spot", "trades: aggregated"),
        ("deribit_derivatives", "trades: all"),
        ("okx_spot", "liquidations: all"),
        ("deribit_derivatives", "liquidations: all"),
        ("okx_derivatives", "volatility_indexes: [BTC]"),
    ],
)
def test_an_exchange_refuses_a_choice_that_it_has_not(
    tmp_path: Path, name: str, setting: str
) -> None:
    key = setting.partition(":")[0]
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, **{name: setting})
    text = f"{tmp_path / EXCHANGE_FOLDER / name}.yaml: {key}: {name} has no such choice; only "
    assert str(caught.value).startswith(text)


def test_a_choice_for_all_is_taken_by_those_that_have_it(tmp_path: Path) -> None:
    exchanges = loaded(tmp_path, "defaults: {trades: aggregated, liquidations: all}")
    assert {name: (each.trades, each.liquidations) for name, each in exchanges.items()} == {
        "binance_spot": ("all", "symbols"),
        "binance_derivatives": ("all", "all"),
        "okx_spot": ("aggregated", "symbols"),
        "okx_derivatives": ("aggregated", "all"),
        "deribit_derivatives": ("all", "symbols"),
    }
