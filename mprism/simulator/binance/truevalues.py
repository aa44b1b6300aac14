"""What the collector's messages must say of USD-M values, in the terms of the messages.

Worked out from the market and not from the payloads. `premium_index` and `notional_value`
are exact numbers whose digits do not count.
"""

from decimal import Decimal

from mprism.simulator.binance.liquidations import Liquidation
from mprism.simulator.binance.markprice import HOUR_MS, MarkPrice, decimal
from mprism.simulator.binance.statistics import SHORTEST, Ratio, share_text
from mprism.simulator.instrument import Instrument
from mprism.simulator.values import Fields


def funding_rate(mark: MarkPrice, hours: int) -> Fields:
    """`hours` is the time between two settlements."""
    return {
        "current_funding_rate": decimal(mark.rate or 0),
        "estimated_funding_rate": None,
        "funding_time": mark.next_funding_ms - hours * HOUR_MS,
        "next_funding_time": mark.next_funding_ms,
        "funding_interval_hours": hours,
        "mark_price": decimal(mark.mark_price),
        "index_price": decimal(mark.index_price),
        "premium_index": decimal(mark.mark_price - mark.index_price),
    }


def open_interest(instrument: Instrument, lots: int) -> Fields:
    """In base coin. The value depends on when the collector asked for the mark price."""
    return {"open_interest": instrument.quantity.text(lots)}


def liquidation(order: Liquidation) -> Fields:
    """A liquidation of USD-M: quantities are in base coin."""
    quantity = order.instrument.quantity.text
    value = Decimal(order.average_price) * Decimal(quantity(order.filled_lots))
    return {
        "side": "sell" if order.selling else "buy",
        "position_side": "long" if order.selling else "short",
        "price": order.instrument.price.text(order.price),
        "average_price": order.average_price,
        "quantity": quantity(order.lots),
        "filled_quantity": quantity(order.filled_lots),
        "notional_value": f"{value:f}",
    }


def position_ratio(ratio: Ratio) -> Fields:
    """Positions of top traders over the shortest period."""
    return {
        "long_short_ratio": ratio.text(),
        "long_position_ratio": share_text(ratio.long),
        "short_position_ratio": share_text(ratio.short),
        "period": SHORTEST,
    }


def account_ratio(ratio: Ratio) -> Fields:
    """Accounts of all traders over the shortest period."""
    return {
        "long_short_ratio": ratio.text(),
        "long_account_ratio": share_text(ratio.long),
        "short_account_ratio": share_text(ratio.short),
        "period": SHORTEST,
    }
