"""The fields that every message has: where and when it happened.

Books and trades do without it: they are so many that a dictionary each would show.
"""

from typing import TypedDict

from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.instrument import Instrument
from mprism.schema import rfc3339


class Place(TypedDict):
    """The fields by their names."""

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
