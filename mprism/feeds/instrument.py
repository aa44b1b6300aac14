"""Instruments as the exchange lists them, and the symbols that users write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from mprism.feeds.errors import UnknownSymbol

MarketType = Literal["spot", "perpetual", "futures", "options"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that is traded.

    `symbol` is `BASE-QUOTE` from the exchange's own assets, with `-YYMMDD` for a dated
    contract; `instrument_id` is the exchange's name for it. Quantities on its wire times
    `contract_size` are in contracts where `quantity_unit` says so.
    """

    exchange: str
    market_type: MarketType
    symbol: str
    instrument_id: str
    trading: bool = True
    quantity_unit: Literal["base", "contracts"] = "base"
    contract_size: str | None = None


@dataclass(frozen=True, slots=True)
class InstrumentList:
    """What an exchange lists: by instrument id, with what its list says of REST weights."""

    instruments: Mapping[str, Instrument]
    weight_per_minute: int | None  # None: not told
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
    near = get_close_matches(symbol.upper(), [*by_symbol, *instruments], n=3, cutoff=0.6)
    return f"{symbol!r}" + (f" (did you mean {', '.join(near)}?)" if near else "")
