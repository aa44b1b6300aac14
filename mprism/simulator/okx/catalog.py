"""The instruments of the simulated OKX markets, tradable and not.

Sizes of derivatives are in contracts. Listed are a few of every kind that a reader of the
instrument lists meets: suspended and expired ones, one before its opening with most fields
empty, a state that nobody knows. A market exists only for those that the simulator was opened
with; the others are listed and never move.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mprism.simulator.instrument import Grid, Instrument

Kind = Literal["spot", "derivatives"]
InstType = Literal["SPOT", "SWAP", "FUTURES"]


@dataclass(frozen=True, slots=True)
class PlainGrid(Grid):
    """Decimals as OKX writes them: no zeros at the end, no point without places."""

    def text(self, count: int) -> str:
        """`count` steps, e.g. 304_000 on PlainGrid(1) is "30400"."""
        padded = Grid.text(self, count)
        return padded.rstrip("0").rstrip(".") if self.digits else padded


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One instrument of a list, with what the exchange says of it beside its market.

    A contract is worth `contract_value` of `value_currency`: the base currency if it is
    linear, dollars if it is inverse.
    """

    instrument: Instrument
    inst_type: InstType
    family: str = ""
    settled_in: str = ""
    contract_value: str = ""
    contract_type: Literal["", "linear", "inverse"] = ""
    value_currency: str = ""
    expires_ms: int | None = None
    rule: str = "normal"
    code: int | None = None
    blank: bool = False  # listed before the details are known

    @property
    def inst_id(self) -> str:
        """The exchange's name of the instrument."""
        return self.instrument.symbol

    @property
    def has_funding(self) -> bool:
        """Whether it is a perpetual contract, also where it is listed among the futures."""
        return self.inst_type == "SWAP" or self.rule == "xperp"

    @property
    def quantity_unit(self) -> str:
        """The unit of published quantities."""
        return "contracts" if self.contract_type == "inverse" else "base"

    @property
    def quantity_factor(self) -> str:
        """What makes a published quantity of a sent one."""
        return self.contract_value if self.contract_type == "linear" else "1"

    @property
    def index(self) -> str:
        """The name of its price index, which families share."""
        return self.family.partition("_")[0]


def _spot(
    base: str,
    price: PlainGrid,
    quantity: PlainGrid,
    opening: int,
    lot: int,
    code: int | None,
    *,
    quote: str = "USDT",
    state: str = "live",
    quiet: bool = False,
) -> Listing:
    instrument = Instrument(
        f"{base}-{quote}", base, quote, price, quantity, opening, lot, quiet=quiet, status=state
    )
    return Listing(instrument=instrument, inst_type="SPOT", code=code, blank=state == "preopen")


def _linear(
    inst_id: str,
    price: PlainGrid,
    opening: int,
    lot: int,
    value: str,
    code: int | None,
    *,
    settled_in: str = "USDT",
    expires_ms: int | None = None,
    rule: str = "normal",
    state: str = "live",
    quiet: bool = False,
) -> Listing:
    base, family, quote = _names(inst_id)
    instrument = Instrument(
        inst_id, base, quote, price, PlainGrid(2), opening, lot, quiet=quiet, status=state
    )
    return Listing(
        instrument=instrument,
        inst_type="SWAP" if inst_id.endswith("-SWAP") else "FUTURES",
        family=family,
        settled_in=settled_in,
        contract_value=value,
        contract_type="linear",
        value_currency=base,
        expires_ms=expires_ms,
        rule=rule,
        code=code,
        blank=state == "preopen",
    )


def _inverse(
    inst_id: str,
    price: PlainGrid,
    quantity: PlainGrid,
    opening: int,
    lot: int,
    value: str,
    code: int | None,
    *,
    expires_ms: int | None = None,
    state: str = "live",
) -> Listing:
    base, family, _ = _names(inst_id)
    instrument = Instrument(inst_id, base, "USD", price, quantity, opening, lot, status=state)
    return Listing(
        instrument=instrument,
        inst_type="SWAP" if inst_id.endswith("-SWAP") else "FUTURES",
        family=family,
        settled_in=base,
        contract_value=value,
        contract_type="inverse",
        value_currency="USD",
        expires_ms=expires_ms,
        code=code,
    )


def _names(inst_id: str) -> tuple[str, str, str]:
    base, quote, _ = inst_id.split("-")
    return base, f"{base}-{quote}", quote.partition("_")[0]


_TENTH, _CENT = PlainGrid(1), PlainGrid(2)
_DECEMBER_MS = 1_798_185_600_000  # 2026-12-25T08:00:00Z
_LAST_FRIDAY_MS = 1_795_161_600_000  # 2026-11-20T08:00:00Z
_FAR_MS = 1_933_056_000_000  # 2031-04-04T08:00:00Z, when the X-Perps end

SPOT: tuple[Listing, ...] = (
    _spot("BTC", _TENTH, PlainGrid(8), 651_234, 40_000_000, 10_457),
    _spot("ETH", _CENT, PlainGrid(6), 312_345, 900_000, 10_461),
    _spot("SOL", _CENT, PlainGrid(6), 15_432, 20_000_000, 10_498),
    _spot("OKB", PlainGrid(3), PlainGrid(6), 98_321, 3_000_000, None, quiet=True),
    _spot("LUNA", PlainGrid(5), PlainGrid(6), 7_100, 3_000_000, 20_011, state="suspend"),
    _spot("NEWCOIN", PlainGrid(5), PlainGrid(2), 7_100, 300, None, state="preopen"),
    _spot("ODD", PlainGrid(5), PlainGrid(2), 7_100, 300, 20_013, state="call_auction"),
    _spot("FOO", PlainGrid(5), PlainGrid(2), 7_100, 300, 20_014, quote="EUR", state="test"),
)

DERIVATIVES: tuple[Listing, ...] = (
    _linear("BTC-USDT-SWAP", _TENTH, 651_290, 900, "0.01", 10_459),
    _linear("ETH-USDT-SWAP", _CENT, 312_360, 2_500, "0.1", 10_462),
    _linear("SOL-USDT-SWAP", _CENT, 15_440, 4_000, "1", 10_499, quiet=True),
    _inverse("BTC-USD-SWAP", _TENTH, PlainGrid(0), 651_180, 120, "100", 10_458),
    _inverse("ETH-USD-SWAP", _CENT, PlainGrid(0), 312_300, 300, "10", 10_460),
    _inverse(
        "BTC-USD-261225",
        _TENTH,
        PlainGrid(1),
        662_001,
        900,
        "100",
        200_345,
        expires_ms=_DECEMBER_MS,
    ),
    _linear("BTC-USDT-261225", _TENTH, 662_112, 400, "0.01", 200_346, expires_ms=_DECEMBER_MS),
    _linear(
        "BTC-USD_UM_XPERP-310404",
        _TENTH,
        651_250,
        30_000,
        "0.0001",
        300_001,
        settled_in="USD",
        expires_ms=_FAR_MS,
        rule="xperp",
    ),
    _linear("LUNA-USDT-SWAP", PlainGrid(4), 7_100, 300, "1", 20_021, state="suspend"),
    _linear("NEWCOIN-USDT-SWAP", PlainGrid(4), 7_100, 300, "10", None, state="preopen"),
    _linear("SATS-USDT-SWAP", PlainGrid(9), 2_100, 300, "10000000", 20_023, state="rebase"),
    _inverse(
        "ETH-USD-261120",
        _CENT,
        PlainGrid(0),
        312_100,
        300,
        "10",
        20_024,
        expires_ms=_LAST_FRIDAY_MS,
        state="expired",
    ),
)

CATALOGS: Mapping[Kind, tuple[Listing, ...]] = {"spot": SPOT, "derivatives": DERIVATIVES}
DEFAULT_SYMBOLS: Mapping[Kind, tuple[str, ...]] = {
    "spot": ("BTC-USDT", "ETH-USDT"),
    "derivatives": (
        "BTC-USDT-SWAP",
        "ETH-USDT-SWAP",
        "BTC-USD-SWAP",
        "BTC-USD-261225",
        "BTC-USD_UM_XPERP-310404",
    ),
}


def select(catalog: Iterable[Listing], symbols: Sequence[str]) -> tuple[Listing, ...]:
    """The listings with these ids. Raises ValueError for one that cannot trade."""
    tradable = {i.inst_id: i for i in catalog if i.instrument.status == "live"}
    unknown = [symbol for symbol in symbols if symbol not in tradable]
    if unknown:
        raise ValueError(f"no market for {unknown}; there are {sorted(tradable)}")
    return tuple(tradable[symbol] for symbol in symbols)
