"""Deribit's channels: which ones a configuration needs, and which of a recording are used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity
from mprism.settings import DataType, ExchangeSettings
from mprism.state import StreamState

Kind = Literal["book", "trades", "ticker", "perpetual", "deribit_volatility_index"]

EXCHANGE: Final = "deribit_derivatives"
VOLATILITY: Final = "deribit_volatility_index"

_INTERVALS: Final[Mapping[Kind, str]] = {"book": "100ms", "trades": "100ms", "ticker": "agg2"}
_CARRIES: Final[Mapping[Kind, frozenset[DataType]]] = {
    "book": frozenset({"orderbook"}),
    "trades": frozenset({"trade", "liquidation"}),
    "ticker": frozenset({"funding_rate", "open_interest"}),
    "perpetual": frozenset({"funding_rate"}),
    VOLATILITY: frozenset({"volatility_index"}),
}
# A channel that does not exist is not acknowledged, so that silence of one that is says little:
# an instrument may not trade for hours, and still books have been seen for most of a minute.
_PATIENCE: Final[Mapping[Kind, float]] = {
    "book": 300.0,
    "trades": inf,
    "ticker": 60.0,
    "perpetual": 60.0,
    VOLATILITY: 60.0,
}
_ALIKE: Final[tuple[tuple[Kind, ...], ...]] = (("book",), ("trades",), ("ticker", "perpetual"))


@dataclass(frozen=True, slots=True)
class Subscription:
    """One channel, what it is about, and the data types that are wanted of it."""

    channel: str
    kind: Kind
    instrument: Instrument
    data_types: frozenset[DataType]


@dataclass(frozen=True, slots=True)
class Stream:
    """A subscribed channel on one connection."""

    wanted: Subscription
    state: StreamState
    continuity: Continuity

    @property
    def instrument(self) -> Instrument:
        """What it is about."""
        return self.wanted.instrument

    def note(self, recv_ns: int) -> None:
        """A valid message has come."""
        self.state.messages += 1
        self.state.last_recv_ns = recv_ns
        self.continuity.messages += 1


def stream_of(wanted: Subscription, continuity: Continuity) -> Stream:
    """A stream of which nothing has come yet."""
    return Stream(wanted, StreamState(patience=_PATIENCE[wanted.kind]), continuity)


def is_currency(text: str) -> bool:
    """Whether `text` can be the name of a currency."""
    return text.isascii() and text.isalpha()


def index_of(currency: str) -> Instrument:
    """The volatility index of a currency, such as BTC, in the place of an instrument."""
    name = f"{currency.lower()}_usd"
    return Instrument(EXCHANGE, "options", currency.upper(), name)


def subscriptions(
    settings: ExchangeSettings, instruments: Iterable[Instrument]
) -> list[Subscription]:
    """The channels of all data types, in the order of the instruments, then the indexes."""
    wanted = frozenset(settings.data_types)
    found = [
        Subscription(f"{kind}.{instrument.instrument_id}.{interval}", kind, instrument, carried)
        for instrument in instruments
        for kind, interval in _INTERVALS.items()
        if (carried := _carried(kind, instrument) & wanted)
    ]
    if "volatility_index" in wanted:
        indexes = dict.fromkeys(map(index_of, settings.volatility_indexes))
        found += [
            _whole(f"{VOLATILITY}.{each.instrument_id}", VOLATILITY, each) for each in indexes
        ]
    return found


def _carried(kind: Kind, instrument: Instrument) -> frozenset[DataType]:
    carried = _CARRIES[kind]
    return carried if instrument.has_funding else carried - {"funding_rate"}


def _whole(channel: str, kind: Kind, instrument: Instrument) -> Subscription:
    return Subscription(channel, kind, instrument, _carried(kind, instrument))


def recorded_subscriptions(
    channels: Iterable[str], instruments: Mapping[str, Instrument]
) -> list[Subscription]:
    """One channel of a kind per instrument, the best first: a second one tells the same again."""
    there = dict.fromkeys(channels)
    found: list[Subscription] = []
    for instrument in instruments.values():
        for kinds in _ALIKE:
            ways = [
                _whole(f"{kind}.{instrument.instrument_id}.{interval}", kind, instrument)
                for kind in kinds
                for interval in ("100ms", "raw", "agg2")
            ]
            found += [way for way in ways if way.channel in there and way.data_types][:1]
    for channel in there:
        prefix, _, name = channel.partition(".")
        currency, _, quote = name.partition("_")
        if prefix == VOLATILITY and is_currency(currency) and quote == "usd":
            found.append(_whole(channel, VOLATILITY, index_of(currency)))
    return found
