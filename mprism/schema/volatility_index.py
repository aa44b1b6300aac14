"""A volatility index: the volatility that option prices imply."""

from typing import ClassVar

from mprism.schema.event import Event


class VolatilityIndex(Event, kw_only=True, gc=False, tag="volatility_index"):
    """The index, annualised, in percent points: 45.3 is 45.3 % a year.

    Of a candle `ts_event` is where it begins, `resolution` its length in seconds, and
    `volatility_index` its close; `open` to `resolution` are null otherwise.
    """

    data_type: ClassVar[str] = "volatility_index"

    volatility_index: str
    currency: str
    underlying_asset: str
    index_name: str
    open: str | None = None
    high: str | None = None
    low: str | None = None
    close: str | None = None
    resolution: str | None = None

    def key(self) -> str:
        # A candle and a streamed value may be of the same time.
        return str(self.ts_event) if self.resolution is None else f"c{self.ts_event}"
