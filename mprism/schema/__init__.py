"""What mprism publishes: message structs, subjects, message ids, encoding.

Imports nothing else of mprism. `docs/contract.md` is the prose of the same.
"""

from mprism.schema.event import SCHEMA_VERSION, Event, Level, rfc3339
from mprism.schema.funding_rate import FundingRate
from mprism.schema.levels import Levels
from mprism.schema.liquidation import Liquidation
from mprism.schema.long_short_ratio import AllAccountRatio, TopPositionRatio
from mprism.schema.message import Message, MessageEncoder, Route, decode
from mprism.schema.open_interest import OpenInterest
from mprism.schema.orderbook import OrderBook
from mprism.schema.subjects import DATA_TYPES, STREAM_SUBJECTS, subject_of, symbol_of, token_of
from mprism.schema.trade import Trade
from mprism.schema.volatility_index import VolatilityIndex

__all__ = [
    "DATA_TYPES",
    "SCHEMA_VERSION",
    "STREAM_SUBJECTS",
    "AllAccountRatio",
    "Event",
    "FundingRate",
    "Level",
    "Levels",
    "Liquidation",
    "Message",
    "MessageEncoder",
    "OpenInterest",
    "OrderBook",
    "Route",
    "TopPositionRatio",
    "Trade",
    "VolatilityIndex",
    "decode",
    "rfc3339",
    "subject_of",
    "symbol_of",
    "token_of",
]
