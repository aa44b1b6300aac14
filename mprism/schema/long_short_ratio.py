"""Long/short ratios: how positions or accounts are divided over a period."""

from typing import ClassVar

from mprism.schema.event import Event


class TopPositionRatio(Event, kw_only=True, gc=False, tag="lsr_top_position"):
    """Positions of top traders: long over short, and the shares of both (0 to 1).

    `ts_event` is the exchange's time of the value, `period` the length that it is for.
    """

    data_type: ClassVar[str] = "lsr_top_position"

    long_short_ratio: str
    long_position_ratio: str
    short_position_ratio: str
    period: str

    def key(self) -> str:
        return str(self.ts_event)


class AllAccountRatio(Event, kw_only=True, gc=False, tag="lsr_all_account"):
    """Accounts of all traders: with a long over with a short position, and the shares of both."""

    data_type: ClassVar[str] = "lsr_all_account"

    long_short_ratio: str
    long_account_ratio: str
    short_account_ratio: str
    period: str

    def key(self) -> str:
        return str(self.ts_event)
