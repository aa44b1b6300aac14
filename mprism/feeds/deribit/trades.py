"""The channel `trades.*`: trades in lists, and the liquidations among them.

`trade_seq` counts the trades of an instrument one by one.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE
from mprism.feeds.deribit.channels import Stream
from mprism.feeds.deribit.liquidations import PublishedLiquidations, liquidations_of
from mprism.feeds.deribit.trade_rows import TradeRow, read_trades
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Reject
from mprism.feeds.trade_ids import follow_trade
from mprism.schema import Trade, rfc3339

_decode = msgspec.json.Decoder(list[Raw]).decode


class TradesChannel:
    """The trades of one instrument on one connection."""

    def __init__(self, stream: Stream, published: PublishedLiquidations) -> None:
        self.stream = stream
        self._published = published

    def receive(self, data: Raw, recv_ns: int) -> Iterator[Action]:
        """A message of the channel."""
        instrument = self.stream.instrument
        try:
            raws = _decode(data)
        except UNDECODABLE as error:
            yield Reject("malformed event", f"{self.stream.wanted.channel}: {error}")
            return
        rows: list[TradeRow] = []
        for row in read_trades(raws, instrument):
            if isinstance(row, Reject):
                yield row
            else:
                rows.append(row)
        if rows:
            self.stream.note(recv_ns)
        for row in sorted(rows, key=lambda row: row.seq):
            yield from self._follow(row, recv_ns)

    def _follow(self, row: TradeRow, recv_ns: int) -> Iterator[Action]:
        instrument, data_types = self.stream.instrument, self.stream.wanted.data_types
        if "trade" in data_types:
            continuity = self.stream.continuity
            is_new, actions = follow_trade(continuity, instrument, row.seq, row.seq, row.time)
            yield from actions
            if is_new:
                yield _trade(row, instrument, recv_ns)
        if "liquidation" in data_types:
            yield from self._published.new(liquidations_of(row, instrument, recv_ns))


def _trade(row: TradeRow, instrument: Instrument, recv_ns: int) -> Trade:
    ts_event = row.time * NS_PER_MS
    return Trade(
        exchange=instrument.exchange,
        market_type=instrument.market_type,
        symbol=instrument.symbol,
        instrument_id=instrument.instrument_id,
        timestamp=rfc3339(ts_event),
        ts_event=ts_event,
        ts_recv=recv_ns,
        trade_id=row.trade_id,
        price=row.price,
        quantity=row.quantity,
        quantity_unit=instrument.quantity_unit,
        contract_size=instrument.contract_size,
        side=row.side,
        is_maker=row.side == "sell",
    )
