"""Open interest: how much of a contract is held."""

from typing import ClassVar, Literal

from mprism.schema.event import Event


class OpenInterest(Event, kw_only=True, gc=False, tag="open_interest"):
    """Open positions of one side.

    `open_interest` is in `quantity_unit`, `open_interest_contracts` in contracts,
    `open_interest_value` in quote currency (by `mark_price`, where one was needed) and
    `open_interest_usd` in US dollars.
    """

    data_type: ClassVar[str] = "open_interest"

    open_interest: str
    open_interest_contracts: str | None = None
    open_interest_value: str | None = None
    open_interest_usd: str | None = None
    quantity_unit: Literal["base", "contracts"]
    contract_size: str | None
    mark_price: str | None = None

    def key(self) -> str:
        return str(self.ts_event)
