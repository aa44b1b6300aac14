"""From an event to what is stored: subject, message id, payload."""

from typing import NamedTuple

import msgspec

from mprism.schema.event import Event
from mprism.schema.funding_rate import FundingRate
from mprism.schema.levels import encode_levels
from mprism.schema.liquidation import Liquidation
from mprism.schema.long_short_ratio import AllAccountRatio, TopPositionRatio
from mprism.schema.open_interest import OpenInterest
from mprism.schema.orderbook import OrderBook
from mprism.schema.subjects import subject_of, token_of
from mprism.schema.trade import Trade
from mprism.schema.volatility_index import VolatilityIndex

AnyEvent = (
    Trade
    | OrderBook
    | FundingRate
    | OpenInterest
    | Liquidation
    | TopPositionRatio
    | AllAccountRatio
    | VolatilityIndex
)
"""Every message kind; the tag `data_type` tells them apart."""

_decoder = msgspec.json.Decoder(AnyEvent)


class Route(NamedTuple):
    """Where the events of one data type and instrument go. One object per subject."""

    data_type: str
    exchange: str
    market_type: str
    symbol: str
    subject: str
    id_prefix: str


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it is stored. `ts_recv` is when its event was received, in ns."""

    route: Route
    message_id: str
    payload: bytes
    ts_recv: int


class MessageEncoder:
    """Makes messages of events. Keeps one route per subject, so memory grows with those only."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder(enc_hook=encode_levels).encode
        self._routes: dict[tuple[type[Event], str, str, str], Route] = {}

    def encode(self, event: Event) -> Message:
        """`event` as a message with its subject and its deterministic id."""
        place = (type(event), event.exchange, event.market_type, event.symbol)
        route = self._routes.get(place) or self._add_route(place)
        message_id = route.id_prefix + event.key()
        return Message(route, message_id, self._encode(event), event.ts_recv)

    def _add_route(self, place: tuple[type[Event], str, str, str]) -> Route:
        kind, exchange, market_type, symbol = place
        data_type = kind.data_type
        route = Route(
            data_type,
            exchange,
            market_type,
            symbol,
            subject_of(data_type, exchange, market_type, symbol),
            # Escaped, because the id travels in a header, which must stay ASCII.
            f"{exchange}:{market_type}:{token_of(symbol)}:{data_type}:",
        )
        self._routes[place] = route
        return route


def decode(payload: bytes) -> AnyEvent:
    """The event in a stored message. Raises msgspec.DecodeError on any other JSON or text."""
    event: AnyEvent = _decoder.decode(payload)
    return event
