"""Instruments as the exchange lists them, and the symbols that users write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from mprism.feeds.decimals import product, quotient
from mprism.feeds.errors import UnknownSymbol
from mprism.feeds.weight import Limit

MarketType = Literal["spot", "perpetual", "futures", "options"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that is traded.

    `symbol` is `BASE-QUOTE` from the exchange's own assets, with `-YYMMDD` for a dated
    contract; `instrument_id` is the exchange's name for it. `contract_size` is what one contract
    stands for: in base currency, or in quote currency where amounts are in contracts. A quantity
    of the wire times `multiplier` over `divisor` is in `quantity_unit`.
    """

    exchange: str
    market_type: MarketType
    symbol: str
    instrument_id: str
    trading: bool = True
    quantity_unit: Literal["base", "contracts"] = "base"
    contract_size: str | None = None
    multiplier: str = "1"
    divisor: str = "1"
    funding_interval_hours: int | None = None  # where the exchange lists it; None: not told
    has_funding: bool = False

    @property
    def is_scaled(self) -> bool:
        """Whether quantities of the wire are in another unit than the messages'."""
        return self.multiplier != self.divisor

    def quantity(self, wire: str) -> str:
        """A quantity of the wire in `quantity_unit`, exactly. Raises MalformedNumber."""
        return _scaled(wire, self.multiplier, self.divisor) if self.is_scaled else wire


@lru_cache(maxsize=65_536)
def _scaled(wire: str, multiplier: str, divisor: str) -> str:
    # Quantities repeat: most levels of a book are asked for again and again.
    return quotient(product(wire, multiplier), divisor)


@dataclass(frozen=True, slots=True)
class InstrumentList:
    """What an exchange lists: by instrument id, with what its list says of limits, by pool."""

    instruments: Mapping[str, Instrument]
    limits: Mapping[str, Limit]  # those that it tells
    skipped: tuple[str, ...]  # why entries could not be read


def select(
    instruments: Mapping[str, Instrument], symbols: Iterable[str], exchange: str
) -> tuple[Instrument, ...]:
    """The instruments of `symbols`, each once, in their order.

    `instruments` is keyed by instrument id. A symbol may be the normalised one or the
    exchange's own. Raises UnknownSymbol, with near matches, for one that is not listed.
    """
    by_symbol: dict[str, list[Instrument]] = {}
    for instrument in instruments.values():
        by_symbol.setdefault(instrument.symbol, []).append(instrument)
    chosen: dict[str, Instrument] = {}
    wrong: list[str] = []
    for symbol in symbols:
        # One subject is one instrument, so an instrument is refused whose symbol others share.
        listed = instruments.get(symbol)
        shared = by_symbol.get(symbol if listed is None else listed.symbol, [])
        if len(shared) == 1:
            chosen[shared[0].instrument_id] = shared[0]
        elif shared:
            names = ", ".join(instrument.instrument_id for instrument in shared)
            wrong.append(f"{symbol!r} as one instrument, but {names}")
        else:
            wrong.append(_describe(symbol, by_symbol, instruments))
    if wrong:
        raise UnknownSymbol(f"{exchange} does not list " + "; ".join(wrong))
    return tuple(chosen.values())


def _describe(symbol: str, by_symbol: Iterable[str], instruments: Iterable[str]) -> str:
    # Where an exchange's own name is the symbol, it is offered once.
    names = dict.fromkeys((*by_symbol, *instruments))
    near = get_close_matches(symbol.upper(), names, n=3, cutoff=0.6)
    return f"{symbol!r}" + (f" (did you mean {', '.join(near)}?)" if near else "")
