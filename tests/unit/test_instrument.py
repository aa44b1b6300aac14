"""The symbols that users write, found in an exchange's list."""

import pytest

from mprism.feeds.errors import UnknownSymbol
from mprism.feeds.instrument import Instrument, select

LISTED = {
    instrument.instrument_id: instrument
    for instrument in (
        Instrument("binance_derivatives", "perpetual", "BTC-USDT", "BTCUSDT"),
        Instrument("binance_derivatives", "perpetual", "ETH-USDT", "ETHUSDT", trading=False),
        Instrument("binance_derivatives", "futures", "BTC-USDT-261225", "BTCUSDT_261225"),
        Instrument("binance_derivatives", "perpetual", "币安人生-USDT", "币安人生USDT"),
    )
}


def chosen(*symbols: str) -> list[str]:
    return [
        instrument.instrument_id for instrument in select(LISTED, symbols, "binance_derivatives")
    ]


@pytest.mark.parametrize(
    ("symbols", "instruments"),
    [
        ([], []),
        (["BTC-USDT"], ["BTCUSDT"]),
        (["BTCUSDT"], ["BTCUSDT"]),
        (["BTC-USDT-261225"], ["BTCUSDT_261225"]),
        (["BTCUSDT_261225"], ["BTCUSDT_261225"]),
        (["币安人生-USDT"], ["币安人生USDT"]),
        # In the order asked for, and each once however it is called.
        (["ETH-USDT", "BTC-USDT"], ["ETHUSDT", "BTCUSDT"]),
        (["BTC-USDT", "BTCUSDT", "BTC-USDT"], ["BTCUSDT"]),
    ],
)
def test_symbols_of_either_kind(symbols: list[str], instruments: list[str]) -> None:
    assert chosen(*symbols) == instruments


@pytest.mark.parametrize(
    ("symbols", "text"),
    [
        (["XYZABC"], "binance_derivatives does not list 'XYZABC'"),
        (["btc-usdt"], "'btc-usdt' (did you mean BTC-USDT, "),
        (["BTC/USDT"], "'BTC/USDT' (did you mean BTCUSDT, BTC-USDT, "),
        (["BTC-USDT", "", "Q"], "does not list ''; 'Q'"),
    ],
)
def test_unknown_symbols_are_all_named_with_near_ones(symbols: list[str], text: str) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        chosen(*symbols)
    assert text in str(caught.value)


def test_a_near_name_is_offered_once() -> None:
    listed = {
        name: Instrument("okx_spot", "spot", name, name)
        for name in ("BTC-USDT", "ETH-USDT", "OKB-USDT")
    }
    with pytest.raises(UnknownSymbol) as caught:
        select(listed, ["BTCUSDT"], "okx_spot")
    assert str(caught.value).endswith("(did you mean BTC-USDT, OKB-USDT, ETH-USDT?)")


@pytest.mark.parametrize("symbol", ["BTC-USDT", "BTCUSDT", "BTCUSDT_OLD"])
def test_a_symbol_that_two_instruments_share_is_refused(symbol: str) -> None:
    """Their messages would share subjects and ids."""
    twin = Instrument("binance_derivatives", "perpetual", "BTC-USDT", "BTCUSDT_OLD")
    with pytest.raises(UnknownSymbol, match="as one instrument, but BTCUSDT, BTCUSDT_OLD"):
        select({**LISTED, "BTCUSDT_OLD": twin}, [symbol], "binance_derivatives")
