"""Stream messages of Binance: field names and number forms of spot and of USD-M.

Every function takes first what happened, then `now_us`, when it is sent, then `unit`, the
number of microseconds in the unit of all times: 1000, or 1 where a spot client asked for
microseconds. They return bare JSON; prices and quantities are decimal strings.
"""

from typing import Any, NamedTuple

import msgspec

from mprism.simulator.book import ChangeLog, TextLevel
from mprism.simulator.instrument import Instrument
from mprism.simulator.tape import Tape, TradeRecord

UNANNOUNCED = {"zz": {"new": [1, "2"]}}
"""Exchanges add fields without notice; a reader must not mind."""

_encode = msgspec.json.Encoder().encode


class DepthChange(NamedTuple):
    """One depth event: changes `start` to `end` (exclusive) of an instrument's log."""

    instrument: Instrument
    log: ChangeLog
    start: int
    end: int
    previous_id: int  # the last update id of the event before it on this stream
    changed_us: int  # when the last change happened

    def ids(self) -> tuple[int, int]:
        """The first and the last update id of the event."""
        return self.log.ids[self.start], self.log.ids[self.end - 1]

    def levels(self) -> tuple[list[TextLevel], list[TextLevel]]:
        """Bids and asks that changed, each once with its newest quantity; zero removes."""
        newest = dict(
            zip(
                self.log.keys[self.start : self.end],
                self.log.lots[self.start : self.end],
                strict=True,
            )
        )
        price, quantity = self.instrument.price.text, self.instrument.quantity.text
        sides: tuple[list[TextLevel], list[TextLevel]] = ([], [])
        for key, lots in newest.items():
            sides[key > 0].append((price(abs(key)), quantity(lots)))
        return sides


def spot_depth(change: DepthChange, now_us: int, unit: int) -> bytes:
    """`depthUpdate` of spot: first and last update id, no `pu`, no engine time."""
    first, last = change.ids()
    bids, asks = change.levels()
    return _encode(
        {
            "e": "depthUpdate",
            "E": now_us // unit,
            "s": change.instrument.symbol,
            "U": first,
            "u": last,
            "b": bids,
            "a": asks,
            **UNANNOUNCED,
        }
    )


def usdm_depth(change: DepthChange, now_us: int, unit: int) -> bytes:
    """`depthUpdate` of USD-M: `pu` is the last update id of the event before."""
    first, last = change.ids()
    bids, asks = change.levels()
    symbol = change.instrument.symbol
    return _encode(
        {
            "e": "depthUpdate",
            "E": now_us // unit,
            "T": change.changed_us // unit,
            "s": symbol,
            "ps": pair_of(change.instrument),
            "U": first,
            "u": last,
            "pu": change.previous_id,
            "b": bids,
            "a": asks,
            "st": 1,
            **UNANNOUNCED,
        }
    )


def spot_trade(tape: Tape, index: int, now_us: int, unit: int) -> bytes:
    """`trade` of spot."""
    record = tape[index]
    return _encode(
        {
            "e": "trade",
            "E": now_us // unit,
            "s": tape.instrument.symbol,
            "t": record.trade_id,
            **_deal(record, unit),
            "M": True,
            **UNANNOUNCED,
        }
    )


def usdm_trade(tape: Tape, index: int, now_us: int, unit: int) -> bytes:
    """`trade` of USD-M, undocumented there: `X` says what kind of fill it is."""
    record = tape[index]
    return _encode(
        {
            "e": "trade",
            "E": now_us // unit,
            "s": tape.instrument.symbol,
            "t": record.trade_id,
            **_deal(record, unit),
            "X": record.execution,
            "st": 1,
        }
    )


def spot_aggregate(tape: Tape, index: int, now_us: int, unit: int) -> bytes:
    """`aggTrade` of spot: one taker order's trades at one price."""
    return _encode({**_aggregate(tape, index, now_us, unit), "M": True})


def usdm_aggregate(tape: Tape, index: int, now_us: int, unit: int) -> bytes:
    """`aggTrade` of USD-M: 100 ms of trades at one price on one side."""
    payload = _aggregate(tape, index, now_us, unit)
    return _encode({**payload, "nq": payload["q"], "st": 1, **UNANNOUNCED})


def shutdown(now_us: int, unit: int) -> bytes:
    """`serverShutdown`: the server is about to end the connection."""
    return _encode({"e": "serverShutdown", "E": now_us // unit})


def pair_of(instrument: Instrument) -> str:
    """The pair that a contract is on: its symbol without a delivery date."""
    return instrument.symbol.partition("_")[0]


def _aggregate(tape: Tape, index: int, now_us: int, unit: int) -> dict[str, Any]:
    record = tape[index]
    return {
        "e": "aggTrade",
        "E": now_us // unit,
        "s": tape.instrument.symbol,
        "a": record.trade_id,
        "f": record.first_id,
        "l": record.last_id,
        **_deal(record, unit),
    }


def _deal(record: TradeRecord, unit: int) -> dict[str, Any]:
    return {
        "p": record.price,
        "q": record.quantity,
        "T": record.time_us // unit,
        "m": record.buyer_is_maker,
    }
