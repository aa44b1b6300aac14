"""Liquidations (OKX v5, "Liquidation orders channel"), of a whole type of instruments.

They have no ids, come in no order of time, and those of the past come again after every
subscription: ids are made from what they say, and repeats are dropped by them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct, field

from mprism.feeds.decimals import MalformedNumber, positive, product
from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE, Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.levels import is_amount
from mprism.feeds.okx.wire import Push, Unreadable
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.schema import Liquidation, rfc3339


class Entry(Struct):
    """The liquidations of one instrument in a push."""

    instrument_id: str = field(name="instId")
    details: list[Raw]


class Detail(Struct, gc=False):
    """One liquidation order. `bkPx` is the bankruptcy price, `sz` in contracts."""

    side: str
    size: str = field(name="sz")
    time: Milliseconds = field(name="ts")
    price: str | None = field(name="bkPx", default=None)
    position_side: str | None = field(name="posSide", default=None)


_decode = msgspec.json.Decoder(Entry).decode
_decode_detail = msgspec.json.Decoder(Detail, strict=False).decode

# Of a position that is told as net, or not told: an order that sells closes a long one.
_CLOSED: Final[dict[str, Literal["long", "short"]]] = {"sell": "long", "buy": "short"}


class Liquidations:
    """The liquidations of `instruments`. `all_listed`: there should not be others."""

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        continuity: Continuity,
        *,
        all_listed: bool,
    ) -> None:
        self._instruments = instruments
        self._continuity = continuity
        self._all_listed = all_listed
        self._push: Push | None = None
        self._identical: Counter[tuple[str, str]] = Counter()  # in this push

    def read(self, raw: Raw, push: Push) -> Iterator[Action]:
        """What an entry leads to. Raises what makes an entry unreadable."""
        if push is not self._push:
            self._push = push
            self._identical.clear()
        entry = _decode(raw)
        instrument = self._instruments.get(entry.instrument_id)
        if instrument is None:
            if self._all_listed:
                raise Unreadable("unknown value", f"instId {entry.instrument_id!r}")
            return
        for detail in entry.details:
            try:
                event = self._normalised(instrument, _decode_detail(detail), push.recv_ns)
            except UNDECODABLE as error:
                yield Reject("malformed event", f"{entry.instrument_id}: {error}")
            except MalformedNumber as error:
                yield Reject("malformed value", f"{entry.instrument_id}: {error}")
            except Unreadable as error:
                yield Reject(error.reason, f"{entry.instrument_id}: {error}")
            else:
                if self._continuity.is_new(entry.instrument_id, event.liquidation_id):
                    yield event

    def _normalised(self, instrument: Instrument, row: Detail, recv_ns: int) -> Liquidation:
        if row.side not in _CLOSED:
            raise Unreadable("unknown value", f"side {row.side!r}")
        if not is_amount(row.size):
            raise Unreadable("malformed value", f"sz {row.size!r}")
        price = positive(row.price)
        quantity = instrument.quantity(row.size)
        return Liquidation(
            **place(instrument, row.time, recv_ns),
            liquidation_id=self._identify(instrument, row),
            side="buy" if row.side == "buy" else "sell",
            position_side=_position(row),
            price=price,
            average_price=None,
            quantity=quantity,
            filled_quantity=None,
            quantity_unit=instrument.quantity_unit,
            contract_size=instrument.contract_size,
            notional_value=_value(instrument, quantity, price),
            status=None,
            liquidation_time=rfc3339(row.time * NS_PER_MS),
        )

    def _identify(self, instrument: Instrument, row: Detail) -> str:
        """The id: the same whenever the exchange tells of this liquidation."""
        text = f"{row.time}-{row.side}-{row.size}-{row.price or ''}"
        same = instrument.instrument_id, text
        self._identical[same] += 1
        number = self._identical[same]
        return text if number == 1 else f"{text}-{number}"


def _position(row: Detail) -> Literal["long", "short"]:
    if row.position_side == "long":
        return "long"
    return "short" if row.position_side == "short" else _CLOSED[row.side]


def _value(instrument: Instrument, quantity: str, price: str | None) -> str | None:
    """In quote currency."""
    if instrument.quantity_unit == "contracts":
        return (
            None
            if instrument.contract_size is None
            else product(quantity, instrument.contract_size)
        )
    return None if price is None else product(quantity, price)
