"""Instruments as the simulator trades them: whole numbers inside, decimal strings outside.

A price is a whole number of ticks and a quantity a whole number of lots, so that no book
ever holds a rounded value. Only `Grid.text` makes the strings that an exchange sends.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """Decimals written with `digits` places of which the last moves by `step` at a time."""

    digits: int
    step: int = 1

    def text(self, count: int) -> str:
        """`count` steps as a decimal string, e.g. 3521 on Grid(8, 10_000) is "0.35210000"."""
        units = count * self.step
        if not self.digits:
            return str(units)
        scale: int = 10**self.digits
        return f"{units // scale}.{units % scale:0{self.digits}d}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable symbol.

    `opening` is the price in ticks around which the market opens and to which it keeps
    returning; `lot` is a usual level's quantity in lots. A quiet instrument trades once
    every few seconds. `status` and `contract` are the exchange's own words.
    """

    symbol: str
    base: str
    quote: str
    price: Grid
    quantity: Grid
    opening: int
    lot: int
    quiet: bool = False
    status: str = "TRADING"
    contract: str = "PERPETUAL"
    delivery_ms: int = 4_133_404_800_000
