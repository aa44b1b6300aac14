"""Payloads as Deribit sends them, and a connection to feed them to.

Numbers are given as the JSON that stands on the wire, because its digits matter.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mprism.feeds.deribit.channels import subscriptions
from mprism.feeds.deribit.connection import DeribitConnection
from mprism.feeds.deribit.liquidations import PublishedLiquidations
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity, Send
from mprism.settings import DataType, ExchangeSettings
from mprism.state import StreamState

NAME = "deribit_derivatives"
RECV_NS = 1_790_133_841_000_000_000
TIME_MS = 1_790_133_840_638
REASONS = {
    "binary frame",
    "invalid JSON",
    "not an object",
    "malformed frame",
    "malformed event",
    "malformed trade",
    "malformed levels",
    "malformed value",
    "unknown event",
    "unknown answer",
    "unknown value",
    "error answer",
    "not subscribed",
    "subscription refused",
}
"""Every reason for which a frame or an answer is rejected."""

BTC = Instrument(
    NAME,
    "perpetual",
    "BTC-USD",
    "BTC-PERPETUAL",
    quantity_unit="contracts",
    contract_size="10",
    divisor="10",
    has_funding=True,
)
BTC_USDC = Instrument(
    NAME,
    "perpetual",
    "BTC-USDC",
    "BTC_USDC-PERPETUAL",
    contract_size="0.0001",
    has_funding=True,
)
BTC_DATED = Instrument(
    NAME,
    "futures",
    "BTC-USD-261225",
    "BTC-25DEC26",
    quantity_unit="contracts",
    contract_size="10",
    divisor="10",
)
ALL: tuple[DataType, ...] = (
    "orderbook",
    "trade",
    "funding_rate",
    "open_interest",
    "liquidation",
    "volatility_index",
)


def raw(text: str) -> msgspec.Raw:
    """JSON as it stands on the wire."""
    return msgspec.Raw(text.encode())


def encode(data: object) -> str:
    return msgspec.json.encode(data).decode()


def pushed(channel: str, data: object) -> str:
    """`data` in the notification of a channel."""
    params = {"channel": channel, "data": data, "zz": [1]}
    return encode({"jsonrpc": "2.0", "method": "subscription", "params": params})


def answer(number: int | None, **outcome: object) -> str:
    """An answer with a `result` or an `error`."""
    head = {"jsonrpc": "2.0"} if number is None else {"jsonrpc": "2.0", "id": number}
    return encode({**head, **outcome, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False})


def book_snapshot(change_id: int, **changes: Any) -> dict[str, Any]:
    """A book's first message: two bids, one ask."""
    return {
        "timestamp": TIME_MS,
        "type": "snapshot",
        "change_id": change_id,
        "instrument_name": "BTC-PERPETUAL",
        "bids": raw('[["new",86744.5,2700],["new",86744.0,2.2e3]]'),
        "asks": raw('[["new",86745.0,50]]'),
    } | changes


def book_change(previous: int, change_id: int, **changes: Any) -> dict[str, Any]:
    """What changed of a book: one bid, one ask away."""
    return {
        "timestamp": TIME_MS + 100,
        "type": "change",
        "prev_change_id": previous,
        "change_id": change_id,
        "instrument_name": "BTC-PERPETUAL",
        "bids": raw('[["change",86744.5,1234560.0]]'),
        "asks": raw('[["delete",86745.0,0.0],["new",86745.5,30]]'),
        "zz": {"new": [1, "2"]},
    } | changes


def trade(seq: int, **changes: Any) -> dict[str, Any]:
    """A trade of BTC-PERPETUAL, as the stream and REST have it."""
    return {
        "timestamp": TIME_MS,
        "price": raw("92288.5"),
        "amount": raw("750.0"),
        "contracts": raw("75.0"),
        "direction": "sell",
        "index_price": raw("92276.75"),
        "mark_price": raw("92287.11"),
        "instrument_name": "BTC-PERPETUAL",
        "trade_seq": seq,
        "trade_id": f"4{seq}",
        "tick_direction": 2,
        "zz": None,
    } | changes


def ticker(**changes: Any) -> dict[str, Any]:
    """A ticker of BTC-PERPETUAL."""
    return {
        "timestamp": TIME_MS,
        "state": "open",
        "stats": {"high": raw("8.8e4"), "volume_usd": raw("1.0735672e9"), "price_change": None},
        "index_price": raw("86744.11"),
        "instrument_name": "BTC-PERPETUAL",
        "last_price": None,
        "open_interest": raw("1.03000345e9"),
        "mark_price": raw("86750.3"),
        "estimated_delivery_price": raw("86744.11"),
        "current_funding": raw("1.423032929843748e-4"),
        "funding_8h": raw("1.2e-5"),
        "best_bid_price": raw("0.0"),
        "zz": [],
    } | changes


class Socket:
    """A connection whose channels are all acknowledged."""

    def __init__(
        self,
        *instruments: Instrument,
        data_types: Sequence[DataType] = ALL,
        continuity: Continuity | None = None,
        published: PublishedLiquidations | None = None,
        **settings: Any,
    ) -> None:
        self.settings = ExchangeSettings(data_types=tuple(data_types), **settings)
        self.continuity = continuity or Continuity()
        self.states: dict[str, StreamState] = {}
        self.wanted = subscriptions(self.settings, instruments or (BTC,))
        self.published = published or PublishedLiquidations()
        self.connection = DeribitConnection(
            self.wanted, self.settings, self.published, self.continuity, self.states
        )
        self.opening = list(self.connection.open())
        asked = [call for call in sent(self.opening) if call["method"] == "public/subscribe"]
        for call in asked:
            # In another order, as the exchange does.
            self.frame(answer(call["id"], result=call["params"]["channels"][::-1]))

    def frame(self, frame: str | bytes) -> list[Action]:
        """What a frame leads to."""
        return list(self.connection.receive(frame, RECV_NS))

    def push(self, channel: str, data: object) -> list[Action]:
        """What the data of a channel leads to."""
        return self.frame(pushed(channel, data))


def sent(actions: Iterable[Action]) -> list[dict[str, Any]]:
    """The calls among actions."""
    return [msgspec.json.decode(action.frame) for action in actions if isinstance(action, Send)]
