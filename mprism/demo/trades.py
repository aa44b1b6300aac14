"""Stored trades against the truth. Pure; reads messages in the order of the stream.

Every trade that was provably read by the collector must be stored once, in the order of its
ids, and say what the exchange said.
"""

from decimal import Decimal

from mprism.demo.result import Problems, Result
from mprism.schema import Trade
from mprism.simulator import TradeRecord, Truth


class TradeComparison:
    """The trades of one exchange."""

    def __init__(self, truth: Truth, problems: Problems) -> None:
        self.result = Result(truth.exchange, "trade")
        self._truth = truth
        self._problems = problems
        self._stored: dict[str, dict[int, Trade]] = {symbol: {} for symbol in truth.symbols}
        self._last: dict[str, int] = {}

    def read(self, trade: Trade) -> None:
        """The next stored trade."""
        result, symbol = self.result, trade.instrument_id
        # Deribit's ids may begin with the currency.
        trade_id = int(trade.trade_id.rpartition("-")[2])
        result.stored += 1
        if trade_id in self._stored[symbol]:
            result.duplicated += 1
            self._problems.note(f"{symbol} trade {trade_id} is stored twice")
        elif trade_id < self._last.get(symbol, trade_id):
            result.out_of_order += 1
            self._problems.note(f"{symbol} trade {trade_id} came after {self._last[symbol]}")
        self._stored[symbol][trade_id] = trade
        self._last[symbol] = trade_id

    def end(self) -> Result:
        """Everything was read: what is missing, and what is there that must not be.

        A trade with other values is missing; one that was never sent counts as duplicated.
        """
        for symbol, stored in self._stored.items():
            never_sent = dict.fromkeys(stored)
            for record in self._truth.possible(symbol):
                never_sent.pop(record.trade_id, None)
            contract = self._truth.contract(symbol)
            for record in self._truth.expected(symbol):
                never_sent.pop(record.trade_id, None)
                self.result.sent += 1
                trade = stored.get(record.trade_id)
                if trade is None or not _is_true(trade, record, contract):
                    self.result.lost += 1
                    self._problems.note(f"{symbol} trade {record.trade_id}: {record}, not {trade}")
            for trade_id in never_sent:
                self.result.duplicated += 1
                self._problems.note(f"{symbol} trade {trade_id} was never sent")
        return self.result


def _is_true(trade: Trade, record: TradeRecord, contract: tuple[str, str]) -> bool:
    """Whether a stored trade says what the exchange said, in the unit that it must be in."""
    unit, factor = contract
    quantity = Decimal(record.quantity) * Decimal(factor)
    side = "sell" if record.buyer_is_maker else "buy"
    return (
        (trade.price, trade.is_maker, trade.side, trade.quantity_unit)
        == (record.price, record.buyer_is_maker, side, unit)
        and Decimal(trade.quantity) == quantity
        and (factor != "1" or trade.quantity == record.quantity)
    )
