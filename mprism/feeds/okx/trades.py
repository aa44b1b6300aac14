"""Trades (OKX v5, "Trades channel" and "All trades channel").

`trades-all` has every fill. An entry of `trades` is what a taker order got at one price: its id
is that of the last fill, and `count` says how many there were.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE, Id, Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import is_amount
from mprism.feeds.okx.wire import Push, Unreadable
from mprism.feeds.protocol import Action, Continuity
from mprism.feeds.trade_ids import follow_trade
from mprism.schema import Trade, rfc3339


class TradeRow(Struct, gc=False):
    """One entry of either channel. Numbers come as strings."""

    instrument_id: str = field(name="instId")
    trade_id: Id = field(name="tradeId")
    price: str = field(name="px")
    size: str = field(name="sz")
    side: str
    time: Milliseconds = field(name="ts")
    count: int | str | None = None  # empty or missing where it is not told


class _Identified(Struct, gc=False):
    trade_id: Id = field(name="tradeId")


_COUNT_DIGITS: Final = 18

_decode = msgspec.json.Decoder(TradeRow, strict=False).decode
_decode_id = msgspec.json.Decoder(_Identified, strict=False).decode


def in_order(rows: Sequence[Raw]) -> Sequence[Raw]:
    """The entries of a push by their ids, as they are followed; as they came if one has none."""
    try:
        return sorted(rows, key=lambda row: _decode_id(row).trade_id)
    except UNDECODABLE:
        return rows


class Trades:
    """One instrument's trades."""

    def __init__(self, instrument: Instrument, continuity: Continuity, *, aggregated: bool) -> None:
        self._instrument = instrument
        self._continuity = continuity
        self._aggregated = aggregated

    def read(self, raw: Raw, push: Push) -> Iterator[Action]:
        """What an entry leads to. Raises what makes an entry unreadable."""
        row = _decode(raw)
        self._check(row)
        count = _count(row) if self._aggregated else 1
        first_id = None if count is None else row.trade_id - count + 1
        trade = self._normalised(row, first_id, push.recv_ns)
        is_new, actions = follow_trade(
            self._continuity, self._instrument, self._follows(row, first_id), row.trade_id, row.time
        )
        yield from actions
        if is_new:
            yield trade

    def _check(self, row: TradeRow) -> None:
        if row.instrument_id != self._instrument.instrument_id:
            raise Unreadable("malformed event", f"instId {row.instrument_id!r}")
        if not (is_amount(row.price) and is_amount(row.size)):
            raise Unreadable("malformed trade", f"px {row.price!r}, sz {row.size!r}")
        if row.side not in ("buy", "sell"):
            raise Unreadable("unknown value", f"side {row.side!r}")

    def _follows(self, row: TradeRow, first_id: int | None) -> int:
        """The first id that the entry covers; without a count nobody can say what is missing."""
        if first_id is not None:
            return first_id
        known = self._continuity.last_trade.get(row.instrument_id)
        return row.trade_id if known is None else min(row.trade_id, known[0] + 1)

    def _normalised(self, row: TradeRow, first_id: int | None, recv_ns: int) -> Trade:
        instrument, ts_event = self._instrument, row.time * NS_PER_MS
        covers = self._aggregated and first_id is not None
        return Trade(
            exchange=instrument.exchange,
            market_type=instrument.market_type,
            symbol=instrument.symbol,
            instrument_id=instrument.instrument_id,
            timestamp=rfc3339(ts_event),
            ts_event=ts_event,
            ts_recv=recv_ns,
            trade_id=str(row.trade_id),
            price=row.price,
            quantity=instrument.quantity(row.size),
            quantity_unit=instrument.quantity_unit,
            contract_size=instrument.contract_size,
            side="buy" if row.side == "buy" else "sell",
            is_maker=row.side == "sell",
            first_trade_id=str(first_id) if covers else None,
            last_trade_id=str(row.trade_id) if covers else None,
        )


def _count(row: TradeRow) -> int | None:
    """How many fills an aggregate stands for. Raises Unreadable for no such number."""
    if row.count in (None, ""):
        return None
    text = str(row.count)
    count = int(text) if text.isdecimal() and len(text) <= _COUNT_DIGITS else 0
    if not 0 < count <= row.trade_id + 1:
        raise Unreadable("malformed trade", f"count {row.count!r} at {row.trade_id}")
    return count
