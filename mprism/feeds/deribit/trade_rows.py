"""Trades as the stream and REST write them alike, checked: one bad row costs no other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Raw

from mprism.feeds.decimals import MalformedNumber, from_json
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.deribit.wire import TradeData
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import is_amount
from mprism.feeds.protocol import Reject

_decode = msgspec.json.Decoder(TradeData).decode


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One trade. `amount` is as on the wire, `quantity` in the instrument's unit; time in ms."""

    seq: int
    trade_id: str
    time: int
    price: str
    amount: str
    quantity: str
    side: Literal["buy", "sell"]
    flag: str  # of a liquidation, empty if it is none


def read_trades(rows: Iterable[Raw], instrument: Instrument) -> Iterator[TradeRow | Reject]:
    """Each row, or why it cannot be used."""
    for raw in rows:
        try:
            yield _read(_decode(raw), instrument)
        except (*UNDECODABLE, MalformedNumber) as error:
            yield Reject("malformed trade", f"{instrument.instrument_id}: {error}")


def _read(trade: TradeData, instrument: Instrument) -> TradeRow:
    if trade.instrument_name != instrument.instrument_id:
        raise MalformedNumber(f"a trade of {trade.instrument_name!r}")
    price, amount = from_json(trade.price), from_json(trade.amount)
    if not (is_amount(price) and is_amount(amount)):
        raise MalformedNumber(f"price {price}, amount {amount}")
    return TradeRow(
        seq=trade.trade_seq,
        trade_id=trade.trade_id,
        time=trade.timestamp,
        price=price,
        amount=amount,
        quantity=instrument.quantity(amount),
        side=trade.direction,
        flag=trade.liquidation or "",
    )
