"""A trade, or an aggregate of trades where the exchange publishes only those."""

from typing import ClassVar, Literal

from mprism.schema.event import Event


class Trade(Event, kw_only=True, gc=False, tag="trade"):
    """One trade.

    `side` is the taker's. `is_maker` says that the buyer was the maker, hence that the
    taker sold. `quantity` is in `quantity_unit`: base currency where that is exact, else
    contracts of `contract_size`. An aggregate names the first and last trade it covers.
    """

    data_type: ClassVar[str] = "trade"

    trade_id: str
    price: str
    quantity: str
    quantity_unit: Literal["base", "contracts"]
    contract_size: str | None
    side: Literal["buy", "sell"]
    is_maker: bool
    first_trade_id: str | None = None
    last_trade_id: str | None = None
    backfilled: bool = False

    def key(self) -> str:
        return self.trade_id
