"""Trades and aggregates of trades: what is new, what is missing, what is published."""

from collections.abc import Iterator

from mprism.feeds.binance.wire import AggregateTradeEvent, TradeEvent
from mprism.feeds.decoding import NS_PER_MS
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import is_amount
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.feeds.trade_ids import follow_trade
from mprism.schema import Trade, rfc3339

AnyTrade = TradeEvent | AggregateTradeEvent


def is_of_the_book(event: AnyTrade) -> bool:
    """Whether this is a trade at all.

    USD-M streams fills of the insurance fund and of ADL as trades, and aggregates that were
    declared void have no price and no trades in them. They take ids like any other.
    """
    if isinstance(event, TradeEvent):
        return event.origin == "MARKET"
    return event.first_id >= 0


def malformed(event: AnyTrade) -> Reject | None:
    """Why the event cannot be used; None when it can."""
    if not is_of_the_book(event) or (is_amount(event.price) and is_amount(event.quantity)):
        return None
    return Reject("malformed trade", f"price {event.price!r}, quantity {event.quantity!r}")


def follow(
    event: AnyTrade, instrument: Instrument, continuity: Continuity, recv_ns: int
) -> Iterator[Action]:
    """What a well-formed event leads to, after all that the feed has seen of the instrument."""
    trade_id = event.trade_id
    is_new, actions = follow_trade(continuity, instrument, trade_id, trade_id, event.time)
    yield from actions
    if is_new and is_of_the_book(event):
        yield _normalised(event, instrument, recv_ns)


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
