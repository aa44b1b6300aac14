"""A funding rate of a perpetual contract."""

from typing import ClassVar

from mprism.schema.event import Event


class FundingRate(Event, kw_only=True, gc=False, tag="funding_rate"):
    """What longs pay shorts, as a fraction of the position's value (0.0001 is 0.01 %).

    `current_funding_rate` is the rate that `next_funding_time` will settle, or the one that
    accrues now where funding is continuous; `estimated_funding_rate` the one expected after it.
    `funding_time` is the last settlement. Rates are for `funding_interval_hours`. Prices are in
    quote currency; `premium_index` is mark price minus index price.
    """

    data_type: ClassVar[str] = "funding_rate"

    current_funding_rate: str
    estimated_funding_rate: str | None = None
    funding_time: str | None = None
    next_funding_time: str | None = None
    funding_interval_hours: int | None = None
    mark_price: str | None = None
    index_price: str | None = None
    premium_index: str | None = None

    def key(self) -> str:
        return str(self.ts_event)
