"""An order book: either the top of it, or one change to it."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from mprism.schema.event import Event, Level


class OrderBook(Event, kw_only=True, gc=False, tag="orderbook"):
    """A snapshot of the best `depth_levels` a side, or one update as the exchange sent it.

    Levels are `[price, quantity]`, best first on a snapshot; on an update quantity zero
    removes the level. `prev_update_id` is the id of the state that an update follows, and
    null on a snapshot. `best_*` describe the book after this message, null where a side is
    empty. `depth_levels` is the larger number of levels a side in this message.
    """

    data_type: ClassVar[str] = "orderbook"

    update_type: Literal["snapshot", "update"]
    last_update_id: int
    prev_update_id: int | None
    bids: Sequence[Level]
    asks: Sequence[Level]
    best_bid_price: str | None
    best_bid_quantity: str | None
    best_ask_price: str | None
    best_ask_quantity: str | None
    depth_levels: int
    quantity_unit: Literal["base", "contracts"]
    contract_size: str | None

    def key(self) -> str:
        return f"{self.update_type[0]}{self.last_update_id}"
