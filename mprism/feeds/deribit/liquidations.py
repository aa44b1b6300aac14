"""Liquidations: trades that are flagged as such, in the stream or in REST's answers only.

`T` says that the taker was liquidated, `M` that the maker was, `MT` that both were.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from mprism.feeds.decimals import MalformedNumber, product
from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.deribit.trade_rows import TradeRow
from mprism.feeds.instrument import Instrument
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Reject
from mprism.feeds.seen_ids import SeenIds
from mprism.schema import Liquidation, rfc3339

_WHO: Final = {"": (), "T": ("T",), "M": ("M",), "MT": ("T", "M")}
_OPPOSITE: Final[dict[str, Literal["buy", "sell"]]] = {"buy": "sell", "sell": "buy"}


@dataclass(slots=True)
class PublishedLiquidations:
    """Which liquidations are out, whoever told of them. Outlives connections."""

    _seen: SeenIds = field(default_factory=SeenIds)

    def new(self, actions: Iterable[Action]) -> Iterator[Action]:
        """`actions` without the liquidations that came before."""
        for action in actions:
            is_new = not isinstance(action, Liquidation) or self._seen.add(
                action.instrument_id, action.liquidation_id
            )
            if is_new:
                yield action


def liquidations_of(row: TradeRow, instrument: Instrument, recv_ns: int) -> Iterator[Action]:
    """The liquidations that a trade tells of: none, one, or two."""
    who = _WHO.get(row.flag)
    if who is None:
        yield Reject("unknown value", f"{instrument.instrument_id}: liquidation {row.flag!r}")
        return
    for party in who:
        try:
            yield _liquidation(row, party, instrument, recv_ns)
        except MalformedNumber as error:
            yield Reject("malformed trade", f"{instrument.instrument_id}: {error}")


def _liquidation(row: TradeRow, party: str, instrument: Instrument, recv_ns: int) -> Liquidation:
    side = row.side if party == "T" else _OPPOSITE[row.side]
    in_quote = instrument.quantity_unit == "contracts"  # inverse amounts are in dollars
    return Liquidation(
        **place(instrument, row.time, recv_ns),
        liquidation_id=f"{row.trade_id}-{party}",
        side=side,
        position_side="long" if side == "sell" else "short",
        price=row.price,
        average_price=row.price,
        quantity=row.quantity,
        filled_quantity=row.quantity,
        quantity_unit=instrument.quantity_unit,
        contract_size=instrument.contract_size,
        notional_value=row.amount if in_quote else product(row.amount, row.price),
        status="FILLED",
        liquidation_time=rfc3339(row.time * NS_PER_MS),
    )
