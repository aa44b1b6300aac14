"""What USD-M's events and REST rows share: amounts, whether a row is new, where it belongs."""

from typing import TypedDict

from mprism.feeds.decimals import MalformedNumber, checked, decimal_of
from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity
from mprism.schema import rfc3339

MALFORMED = "malformed value"
"""The reason for a value, or an answer of REST, that cannot be read."""

UNKNOWN = "unknown value"
"""The reason for a name that we do not know where the exchange has a closed set of them."""


def amount(text: str) -> str:
    """`text`, known to be a number that is not below zero. Raises MalformedNumber."""
    number = checked(text)
    if decimal_of(number).is_signed():
        raise MalformedNumber(f"below zero: {text!r}")
    return number


def amount_if_any(text: str) -> str | None:
    """The same, and None where it is empty or zero, which stand for "none"."""
    number = amount(text) if text else None
    return number if number is not None and decimal_of(number) else None


def is_newer(continuity: Continuity, series: str, time: int) -> bool:
    """Whether `time`, in ms, is after all that the series has had; if so it is remembered."""
    if time <= continuity.last_time.get(series, -1):
        return False
    continuity.last_time[series] = time
    return True


class Place(TypedDict):
    """The fields that every message has."""

    exchange: str
    market_type: str
    symbol: str
    instrument_id: str
    timestamp: str
    ts_event: int
    ts_recv: int


def place(instrument: Instrument, time: int, recv_ns: int) -> Place:
    """Those of a message about `instrument` of the exchange's `time`, in ms."""
    ts_event = time * NS_PER_MS
    return {
        "exchange": instrument.exchange,
        "market_type": instrument.market_type,
        "symbol": instrument.symbol,
        "instrument_id": instrument.instrument_id,
        "timestamp": rfc3339(ts_event),
        "ts_event": ts_event,
        "ts_recv": recv_ns,
    }
