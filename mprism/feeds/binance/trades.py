"""Trades and aggregates of trades: what is new, what is missing, what is published."""

from collections.abc import Iterable

from mprism.feeds.binance.wire import AggregateTradeEvent, TradeEvent
from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import is_amount
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.feeds.trade_ids import follow_trade
from mprism.schema import Trade, rfc3339

AnyTrade = TradeEvent | AggregateTradeEvent


class Trades:
    """One stream of trades or of aggregates."""

    def __init__(self, instrument: Instrument, continuity: Continuity) -> None:
        self._instrument = instrument
        self._continuity = continuity

    def follow(self, event: AnyTrade, recv_ns: int) -> Iterable[Action] | Reject:
        """What an event leads to, after all that the feed has seen of the instrument."""
        is_trade = _is_of_the_book(event)
        if is_trade and not (is_amount(event.price) and is_amount(event.quantity)):
            detail = f"price {event.price!r}, quantity {event.quantity!r}"
            return Reject("malformed trade", detail)
        trade_id = event.trade_id
        is_new, actions = follow_trade(
            self._continuity, self._instrument, trade_id, trade_id, event.time
        )
        if is_new and is_trade:
            actions.append(_normalised(event, self._instrument, recv_ns))
        return actions


def _is_of_the_book(event: AnyTrade) -> bool:
    """Whether this is a trade at all.

    USD-M streams fills of the insurance fund and of ADL as trades, and aggregates that were
    declared void have no price and no trades in them. They take ids like any other.
    """
    if isinstance(event, TradeEvent):
        return event.origin == "MARKET"
    return event.first_id >= 0


def _normalised(event: AnyTrade, instrument: Instrument, recv_ns: int) -> Trade:
    ts_event = event.time * NS_PER_MS
    first_id = last_id = None
    if isinstance(event, AggregateTradeEvent):
        first_id, last_id = str(event.first_id), str(event.last_id)
    return Trade(
        exchange=instrument.exchange,
        market_type=instrument.market_type,
        symbol=instrument.symbol,
        instrument_id=instrument.instrument_id,
        timestamp=rfc3339(ts_event),
        ts_event=ts_event,
        ts_recv=recv_ns,
        trade_id=str(event.trade_id),
        price=event.price,
        quantity=event.quantity,
        quantity_unit=instrument.quantity_unit,
        contract_size=instrument.contract_size,
        side="sell" if event.buyer_is_maker else "buy",
        is_maker=event.buyer_is_maker,
        first_trade_id=first_id,
        last_trade_id=last_id,
    )
