"""The trades of one contract as Deribit tells them, and which of them were liquidations.

A trade's `trade_seq` is its number on the tape, and its `trade_id` is made of that. `T`
says that the taker was liquidated, `M` the maker, `MT` both: then there are two records.
REST answers always carry the flag, streamed trades only where `streamed` says so.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from random import Random
from typing import Any, Literal, NamedTuple

from mprism.simulator.deribit.catalog import Contract
from mprism.simulator.deribit.gauges import Figures, liquidation_quantity
from mprism.simulator.deribit.numbers import float_form
from mprism.simulator.deribit.payloads import raw
from mprism.simulator.market import Fill
from mprism.simulator.tape import Outcome, Tape
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication, Record

StreamedFlags = Literal["some", "all", "none"]
"""Which liquidations the stream of trades tells of."""

FLAGS = ("T", "M", "T", "M", "MT")
NEXT_FLAG_US = (400_000, 1_600_000)  # between two liquidations of a contract
FIRST_SEQ = (10**7, 3 * 10**8)
_OPPOSITE = {"buy": "sell", "sell": "buy"}


class Deal(NamedTuple):
    """One trade: its price in ticks, and the indexes of the records of its liquidations."""

    time_ms: int
    price: int
    lots: int
    side: str  # the taker's
    tick: int  # direction: 0 up, 2 down; 1 and 3 for no change after one of them
    figures: Figures
    flag: str
    on_stream: bool  # the flag
    liquidations: tuple[int, ...]


class Deals:
    """All trades of a contract. It is also the source of its liquidations' records."""

    def __init__(self, contract: Contract, random: Random, streamed: StreamedFlags) -> None:
        self.contract = contract
        self.tape = Tape(contract.traded, "trades", random.randrange(*FIRST_SEQ))
        self.liquidations = ValueTape("liquidation", contract.name)
        self.last_price: int | None = None  # in ticks
        self._streamed = streamed
        self._random = random
        self._deals: list[Deal] = []
        self._times: list[int] = []
        self._tick = 0
        self._next_flag_us = 0

    @property
    def values(self) -> tuple[ValueTape]:
        """The records of liquidations."""
        return (self.liquidations,)

    def due(self, now_us: int) -> Iterable[Publication]:
        """Nothing: a liquidation is told with its trade."""
        return ()

    def add(self, fill: Fill, buyer_is_maker: bool, figures: Figures, now_us: int) -> int:
        """A trade happened; returns its index."""
        flag, side = self._flag(now_us), "sell" if buyer_is_maker else "buy"
        self._tick = self._direction(fill.price)
        self.last_price = fill.price
        deal = Deal(
            now_us // 1_000,
            fill.price,
            fill.lots,
            side,
            self._tick,
            figures,
            flag,
            self._streamed == "all" or (self._streamed == "some" and self._random.random() < 0.5),
            (),
        )
        told = tuple(self._record(deal, who) for who in sorted(flag, reverse=True))
        self._deals.append(deal._replace(liquidations=told))
        self._times.append(deal.time_ms)
        return self.tape.append(fill.price, fill.lots, buyer_is_maker, now_us)

    def _flag(self, now_us: int) -> str:
        if now_us < self._next_flag_us:
            return ""
        self._next_flag_us = now_us + self._random.randrange(*NEXT_FLAG_US)
        return self._random.choice(FLAGS)

    def _direction(self, price: int) -> int:
        if self.last_price is None or price == self.last_price:
            return self._tick | 1
        return 0 if price > self.last_price else 2

    def _record(self, deal: Deal, who: str) -> int:
        side = deal.side if who == "T" else _OPPOSITE[deal.side]
        quantity = liquidation_quantity(self.contract, deal.lots)
        return self.liquidations.append(
            deal.time_ms,
            {
                "side": side,
                "position_side": "long" if side == "sell" else "short",
                "average_price": self.contract.price.text(deal.price),
                "quantity": quantity,
                "filled_quantity": quantity,
            },
        )

    def streamed(self, index: int) -> dict[str, Any]:
        """A trade as the stream has it."""
        return self._trade(index, flagged=self._deals[index].on_stream)

    def records(self, indexes: Iterable[int]) -> list[Record]:
        """What a message with these streamed trades tells."""
        told: list[Record] = []
        for index in indexes:
            told.append((self.tape, index))
            deal = self._deals[index]
            if deal.on_stream:
                told += [(self.liquidations, record) for record in deal.liquidations]
        return told

    def give(self, index: int) -> dict[str, Any]:
        """A trade as REST has it, which counts as told by it."""
        self.tape.note(index, Outcome.SENT)
        for record in self._deals[index].liquidations:
            self.liquidations.note(record, Outcome.CONFIRMED)
        return self._trade(index, flagged=True)

    def by_seq(self, first: int | None, last: int | None) -> range:
        """Indexes of the trades from `first` to `last`, both of them included."""
        start, end = self.tape.first_id, self.tape.next_id
        low = start if first is None else min(max(first, start), end)
        high = end if last is None else min(max(last + 1, low), end)
        return range(low - start, high - start)

    def by_time(self, first_ms: int, last_ms: int) -> range:
        """Indexes of the trades of this time, both ends included."""
        return range(bisect_left(self._times, first_ms), bisect_right(self._times, last_ms))

    def _trade(self, index: int, *, flagged: bool) -> dict[str, Any]:
        deal, contract = self._deals[index], self.contract
        trade_seq = self.tape.first_id + index
        trade: dict[str, Any] = {
            "timestamp": deal.time_ms,
            "price": raw(contract.price.wire(deal.price)),
            "amount": raw(contract.traded_amount.wire(deal.lots)),
            "contracts": raw(float_form(deal.lots, 0)),
            "direction": deal.side,
            "index_price": deal.figures.index_price.json,
            "mark_price": deal.figures.mark_price.json,
            "instrument_name": contract.name,
            "trade_seq": trade_seq,
            "trade_id": f"{contract.trade_prefix}{trade_seq}",
            "tick_direction": deal.tick,
        }
        if deal.flag and flagged:
            trade["liquidation"] = deal.flag
        return trade
