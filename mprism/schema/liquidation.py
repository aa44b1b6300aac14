"""A liquidation: a position that the exchange closed by force."""

from typing import ClassVar, Literal

from mprism.schema.event import Event


class Liquidation(Event, kw_only=True, gc=False, tag="liquidation"):
    """One liquidation order, as far as the exchange tells of it.

    `side` is the order's, hence the opposite of the position that was liquidated.
    `liquidation_id` is made from the exchange's data alone. `price` is the order's or the
    bankruptcy price, `average_price` that of the fills; both in quote currency, as is
    `notional_value`.
    """

    data_type: ClassVar[str] = "liquidation"

    liquidation_id: str
    side: Literal["buy", "sell"]
    position_side: Literal["long", "short"]
    price: str | None
    average_price: str | None
    quantity: str
    filled_quantity: str | None
    quantity_unit: Literal["base", "contracts"]
    contract_size: str | None
    notional_value: str | None
    status: str | None
    liquidation_time: str

    def key(self) -> str:
        return self.liquidation_id
