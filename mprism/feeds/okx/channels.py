"""Which channel carries which data type, where it is served, and what it is asked for by.

A stream is named `channel:value`, the value being an instrument's id or a type of instruments.
Sources: OKX v5, "Public data" and "Order book trading", the channels' own sections.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mprism.feeds.instrument import Instrument
from mprism.settings import ExchangeSettings

Path = Literal["public", "business"]

BOOKS: Final = "books"
TRADES: Final = "trades"
ALL_TRADES: Final = "trades-all"
FUNDING: Final = "funding-rate"
OPEN_INTEREST: Final = "open-interest"
LIQUIDATIONS: Final = "liquidation-orders"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One stream. `instruments` are those whose data we take from it, by instrument id."""

    channel: str
    value: str
    instruments: Mapping[str, Instrument]

    @property
    def stream(self) -> str:
        """Its name."""
        return f"{self.channel}:{self.value}"

    @property
    def argument(self) -> dict[str, str]:
        """What stands for it in a request."""
        key = "instType" if self.channel == LIQUIDATIONS else "instId"
        return {"channel": self.channel, key: self.value}

    @property
    def path(self) -> Path:
        """The socket that has it; on the other one it does not exist."""
        return "business" if self.channel == ALL_TRADES else "public"


def subscriptions(
    settings: ExchangeSettings,
    instruments: Sequence[Instrument],
    listed: Mapping[str, Instrument],
) -> list[Subscription]:
    """The streams of the configured data types, in the order of the instruments."""
    chosen = [
        Subscription(channel, instrument.instrument_id, {instrument.instrument_id: instrument})
        for instrument in instruments
        for channel in _channels(settings, instrument)
    ]
    if "liquidation" in settings.data_types:
        chosen += _liquidations(settings, instruments, listed)
    return chosen


def _channels(settings: ExchangeSettings, instrument: Instrument) -> Iterator[str]:
    for data_type in dict.fromkeys(settings.data_types):
        if data_type == "orderbook":
            yield BOOKS
        elif data_type == "trade":
            yield ALL_TRADES if settings.trades == "all" else TRADES
        elif data_type == "funding_rate" and instrument.has_funding:
            yield FUNDING
        elif data_type == "open_interest":
            yield OPEN_INTEREST


def _liquidations(
    settings: ExchangeSettings,
    instruments: Iterable[Instrument],
    listed: Mapping[str, Instrument],
) -> list[Subscription]:
    if settings.liquidations == "all":
        instruments = listed.values()
    by_type: dict[str, dict[str, Instrument]] = {}
    for instrument in instruments:
        group = by_type.setdefault(instrument_type(instrument), {})
        group[instrument.instrument_id] = instrument
    return [Subscription(LIQUIDATIONS, name, group) for name, group in by_type.items()]


def instrument_type(instrument: Instrument) -> str:
    """What OKX calls its type. X-Perps are futures to OKX, and dated to us."""
    return {"spot": "SPOT", "perpetual": "SWAP", "futures": "FUTURES"}[instrument.market_type]
