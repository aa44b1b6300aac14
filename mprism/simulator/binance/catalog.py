"""The instruments of the simulated Binance markets, tradable and not.

Listed are a few of every kind that a reader of `exchangeInfo` meets: halted and
delisted ones, a symbol that is not ASCII, delivery contracts, a share. A market exists only
for those that the simulator was opened with; the others are listed and never move.
"""

from collections.abc import Mapping

from mprism.simulator.instrument import Grid, Instrument

_TICK_2 = Grid(8, 1_000_000)
_TICK_4 = Grid(8, 10_000)
_TICK_8 = Grid(8)
_LOT_5 = Grid(8, 1_000)
_LOT_4 = Grid(8, 10_000)
_LOT_1 = Grid(8, 10_000_000)
_LOT_0 = Grid(8, 100_000_000)

# Spot writes every decimal with eight places.
SPOT: tuple[Instrument, ...] = (
    Instrument("BTCUSDT", "BTC", "USDT", _TICK_2, _LOT_5, 6_512_345, 40_000),
    Instrument("ETHUSDT", "ETH", "USDT", _TICK_2, _LOT_4, 312_345, 9_000),
    Instrument("ETHUSDC", "ETH", "USDC", _TICK_2, _LOT_4, 312_355, 4_000),
    Instrument("BTCFDUSD", "BTC", "FDUSD", _TICK_2, _LOT_5, 6_512_400, 9_000),
    Instrument("SOLUSDT", "SOL", "USDT", _TICK_2, Grid(8, 100_000), 15_432, 20_000),
    Instrument("NKNUSDT", "NKN", "USDT", _TICK_4, _LOT_0, 3_521, 4_000),
    Instrument("BLZETH", "BLZ", "ETH", _TICK_8, _LOT_0, 6_547, 1_500, quiet=True),
    Instrument("测试币USDT", "测试币", "USDT", _TICK_4, _LOT_1, 12_345, 700),
    Instrument("LRCBTC", "LRC", "BTC", _TICK_8, _LOT_0, 638, 900, status="HALT"),
    Instrument("RUNEEUR", "RUNE", "EUR", _TICK_4, _LOT_1, 15_000, 50, status="CANCEL_ONLY"),
    Instrument("VENBTC", "VEN", "BTC", _TICK_8, _LOT_0, 54_000, 50, status="BREAK"),
)

USDM: tuple[Instrument, ...] = (
    Instrument("BTCUSDT", "BTC", "USDT", Grid(2, 10), Grid(3), 651_234, 900),
    Instrument("ETHUSDT", "ETH", "USDT", Grid(2), Grid(3), 312_345, 9_000),
    Instrument("SUSHIUSDT", "SUSHI", "USDT", Grid(4, 10), Grid(0), 7_611, 800),
    Instrument("ETHUSDC", "ETH", "USDC", Grid(2), Grid(3), 312_355, 4_000),
    Instrument("CTKUSDT", "CTK", "USDT", Grid(5, 10), Grid(0), 10_110, 300, quiet=True),
    Instrument(
        "BTCUSDT_261225",
        "BTC",
        "USDT",
        Grid(1),
        Grid(3),
        662_001,
        120,
        contract="CURRENT_QUARTER",
        delivery_ms=1_798_185_600_000,
    ),
    Instrument(
        "TSLAUSDT", "TSLA", "USDT", Grid(2), Grid(2), 41_250, 400, contract="TRADIFI_PERPETUAL"
    ),
    # One that is being delivered has no contract type.
    Instrument(
        "BTCUSDT_260925",
        "BTC",
        "USDT",
        Grid(1),
        Grid(3),
        655_001,
        120,
        status="SETTLING",
        contract="",
        delivery_ms=1_790_323_200_000,
    ),
    Instrument("OLDUSDT", "OLD", "USDT", Grid(4), Grid(0), 2_000, 500, status="UNDER_REVIEW"),
    Instrument("KEEPUSDT", "KEEP", "USDT", Grid(4), Grid(0), 3_100, 500, status="SETTLING"),
    Instrument("NEWUSDT", "NEW", "USDT", Grid(4), Grid(0), 1_000, 500, status="PENDING_TRADING"),
)


FUNDING_HOURS: Mapping[str, int] = {"SUSHIUSDT": 4, "CTKUSDT": 8, "KEEPUSDT": 1}
"""Hours between two settlements, of the contracts whose interval or bounds were adjusted."""


def select(catalog: tuple[Instrument, ...], symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
    """The instruments with these symbols. Raises ValueError for one that cannot trade."""
    tradable = {i.symbol: i for i in catalog if i.status == "TRADING"}
    unknown = [symbol for symbol in symbols if symbol not in tradable]
    if unknown:
        raise ValueError(f"no market for {unknown}; there are {sorted(tradable)}")
    return tuple(tradable[symbol] for symbol in symbols)
