"""The instruments of the simulated Deribit that have a market.

Inverse contracts are written in US dollars, linear ones in the base coin; `contract_size`
says how much of that one contract is.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from mprism.simulator.deribit.numbers import AmountGrid, FloatGrid, WholeGrid, exact
from mprism.simulator.instrument import Instrument

FOREVER_MS = 32_503_708_800_000
DECEMBER_MS = 1_798_185_600_000  # 2026-12-25 08:00 UTC, the last Friday of the year


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One future. `open_interest` is about how many contracts are held.

    Books write amounts by `instrument`, whose grid of them is `amount`; trades by `traded`.
    """

    instrument: Instrument
    traded: Instrument
    price: FloatGrid
    amount: AmountGrid
    traded_amount: FloatGrid
    contract_size: str
    open_interest: int

    @property
    def name(self) -> str:
        """The exchange's name of it."""
        return self.instrument.symbol

    @property
    def linear(self) -> bool:
        """Whether amounts are in the base coin."""
        return self.instrument.quote != "USD"

    @property
    def perpetual(self) -> bool:
        """Whether it has a funding rate."""
        return self.instrument.contract == "perpetual"

    @property
    def currency(self) -> str:
        """What it is settled in, by which lists are asked for."""
        return self.instrument.quote if self.linear else self.instrument.base

    @property
    def index_name(self) -> str:
        """Its price index, e.g. `btc_usd`."""
        return f"{self.instrument.base}_{self.instrument.quote}".lower()

    @property
    def unit(self) -> str:
        """The unit of published quantities."""
        return "base" if self.linear else "contracts"

    @property
    def factor(self) -> str:
        """What makes a published quantity of a sent one."""
        return "1" if self.linear else str(1 / Decimal(self.contract_size))

    @property
    def trade_prefix(self) -> str:
        """What the ids of its trades begin with: nothing for BTC, else the coin or the pair."""
        base, quote = self.instrument.base, self.instrument.quote
        if self.linear:
            return f"{base}_{quote}-"
        return "" if base == "BTC" else f"{base}-"


def _contract(
    name: str,
    price: FloatGrid,
    amount: AmountGrid,
    opening: int,
    lot: int,
    open_interest: int,
    *,
    settlement: str = "perpetual",
    delivery_ms: int = FOREVER_MS,
) -> Contract:
    base, _, quote = name.rpartition("-")[0].partition("_")
    instrument = Instrument(
        name,
        base,
        quote or "USD",
        price,
        amount,
        opening,
        lot,
        quiet=settlement != "perpetual",
        status="open",
        contract=settlement,
        delivery_ms=delivery_ms,
    )
    traded_amount = FloatGrid(amount.digits, amount.step)
    return Contract(
        instrument=instrument,
        traded=replace(instrument, quantity=traded_amount),
        price=price,
        amount=amount,
        traded_amount=traded_amount,
        contract_size=exact(Decimal(amount.step).scaleb(-amount.digits)),
        open_interest=open_interest,
    )


CONTRACTS: tuple[Contract, ...] = (
    _contract("BTC-PERPETUAL", FloatGrid(1, 5), WholeGrid(0, 10), 184_577, 420, 103_000_000),
    _contract("ETH-PERPETUAL", FloatGrid(2, 5), WholeGrid(0, 1), 55_453, 2_700, 310_000_000),
    _contract("BTC_USDC-PERPETUAL", FloatGrid(1, 5), FloatGrid(3), 184_601, 350, 2_100_000),
    _contract("ETH_USDC-PERPETUAL", FloatGrid(2, 5), FloatGrid(3), 55_460, 4_000, 9_000_000),
    _contract("SOL_USDC-PERPETUAL", FloatGrid(2), FloatGrid(1), 15_432, 600, 1_500_000),
    _contract("ALGO_USDC-PERPETUAL", FloatGrid(5), FloatGrid(0), 11_374, 1_054, 8_000_000),
    _contract(
        "BTC-25DEC26",
        FloatGrid(1, 25),
        WholeGrid(0, 10),
        37_011,
        120,
        9_000_000,
        settlement="month",
        delivery_ms=DECEMBER_MS,
    ),
)


def select(names: tuple[str, ...]) -> tuple[Contract, ...]:
    """The contracts with these names. Raises ValueError for one that has no market."""
    known = {contract.name: contract for contract in CONTRACTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no market for {unknown}; there are {sorted(known)}")
    return tuple(known[name] for name in names)
