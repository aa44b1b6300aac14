"""Liquidations of USD-M: at most one a second and symbol is told, the latest.

Source: "Liquidation Order Streams". Fills of one order are told one after the other, each
with all that is filled until then.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from mprism.feeds.binance.values import MALFORMED, UNKNOWN, amount_if_any
from mprism.feeds.binance.wire import ForceOrder, ForceOrderEvent
from mprism.feeds.decimals import MalformedNumber, amount, product
from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.instrument import Instrument
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.schema import Liquidation, rfc3339

# `st`: the streams of all symbols have COIN-M's in them, too
_USD_M: Final = 1
_COIN_M: Final = 2

# To sell closes a long position.
_SIDES: Final[dict[str, tuple[Literal["buy", "sell"], Literal["long", "short"]]]] = {
    "SELL": ("sell", "long"),
    "BUY": ("buy", "short"),
}


class ForceOrders:
    """One `@forceOrder` stream, of one instrument or of all."""

    def __init__(self, instruments: Mapping[str, Instrument], continuity: Continuity) -> None:
        """`instruments` are those that it can be about, by id."""
        self._instruments = instruments
        self._continuity = continuity

    def follow(self, event: ForceOrderEvent, recv_ns: int) -> Iterable[Action] | Reject:
        """The liquidation, if it is a new one of USD-M."""
        order = event.order
        if event.margin_type == _COIN_M:
            return ()
        if event.margin_type not in (None, _USD_M):
            return Reject(UNKNOWN, f"{order.symbol}: st {event.margin_type} of a liquidation")
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            return Reject(UNKNOWN, f"liquidation of {order.symbol!r}, which is not listed")
        if order.side not in _SIDES:
            return Reject(UNKNOWN, f"{order.symbol}: side {order.side!r} of a liquidation")
        try:
            liquidation = _normalised(order, instrument, recv_ns)
        except MalformedNumber as error:
            return Reject(MALFORMED, f"{order.symbol}: {error}")
        is_new = self._continuity.is_new(instrument.instrument_id, liquidation.liquidation_id)
        return (liquidation,) if is_new else ()


def _normalised(order: ForceOrder, instrument: Instrument, recv_ns: int) -> Liquidation:
    wanted = amount_if_any(order.quantity)
    if wanted is None:
        raise MalformedNumber(f"quantity {order.quantity!r}")
    side, position_side = _SIDES[order.side]
    quantity = instrument.quantity(wanted)
    filled = instrument.quantity(amount(order.filled_quantity)) if order.filled_quantity else None
    price, average_price = amount_if_any(order.price), amount_if_any(order.average_price)
    return Liquidation(
        **place(instrument, order.time, recv_ns),
        liquidation_id="-".join(
            (str(order.time), order.side, order.quantity, order.price, order.filled_quantity)
        ),
        side=side,
        position_side=position_side,
        price=price,
        average_price=average_price,
        quantity=quantity,
        filled_quantity=filled,
        quantity_unit=instrument.quantity_unit,
        contract_size=instrument.contract_size,
        notional_value=_value(price, average_price, quantity, filled),
        status=order.status or None,
        liquidation_time=rfc3339(order.time * NS_PER_MS),
    )


def _value(
    price: str | None, average_price: str | None, quantity: str, filled: str | None
) -> str | None:
    """What was filled at what it was filled for; before that, what is to be sold or bought."""
    if average_price is not None and filled is not None:
        return product(filled, average_price)
    return None if price is None else product(quantity, price)
