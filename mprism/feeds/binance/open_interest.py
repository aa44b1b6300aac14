"""Open interest of USD-M, which no stream tells, and its value by the mark price.

The mark prices are asked for first, so that a failure of theirs costs the value alone. Sources:
"Open Interest", "Mark Price".
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from mprism.feeds.binance.values import MALFORMED, amount_if_any
from mprism.feeds.decimals import MalformedNumber, amount, product
from mprism.feeds.decoding import UNDECODABLE, Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.schema import OpenInterest
from mprism.state import StreamState

OPEN_INTEREST: Final = "/fapi/v1/openInterest"
PREMIUM_INDEX: Final = "/fapi/v1/premiumIndex"

_MOST_SINGLE: Final = 10  # mark prices; all of them at once weigh as much as so many
_ALL_WEIGHT: Final = 10
_MARKS: Final = "premiumIndex"


class _OpenInterest(Struct, rename="camel"):
    symbol: str
    open_interest: str
    time: Milliseconds


class _MarkPrice(Struct, rename="camel"):
    symbol: str
    mark_price: str


_decode = msgspec.json.Decoder(_OpenInterest).decode
_decode_mark = msgspec.json.Decoder(_MarkPrice).decode
_decode_marks = msgspec.json.Decoder(list[Raw]).decode


class OpenInterestPoll:
    """The open interest of some instruments. See `mprism.feeds.protocol.PollProtocol`."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        continuity: Continuity,
        states: dict[str, StreamState],
    ) -> None:
        """`states` has an entry per instrument id and is kept up to date."""
        self._instruments = {each.instrument_id: each for each in instruments}
        self._continuity = continuity
        self._states = states
        self._marks: dict[str, str] = {}  # of this round

    def begin(self, now_ns: int) -> Iterator[Fetch]:
        self._marks.clear()
        one_by_one = len(self._instruments) <= _MOST_SINGLE
        if not one_by_one:
            yield Fetch(_MARKS, Request(PREMIUM_INDEX, weight=_ALL_WEIGHT))
        for instrument_id in self._instruments:
            parameters = {"symbol": instrument_id}
            if one_by_one:
                yield Fetch(f"{_MARKS} {instrument_id}", Request(PREMIUM_INDEX, parameters))
            yield Fetch(instrument_id, Request(OPEN_INTEREST, parameters))

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        instrument = self._instruments.get(key)
        try:
            if instrument is None:
                return list(self._take_marks(body))
            return self._publish(instrument, _decode(body), recv_ns)
        except (*UNDECODABLE, MalformedNumber) as error:
            return (Reject(MALFORMED, f"{key}: {error}"),)

    def _take_marks(self, body: bytes) -> Iterator[Reject]:
        """One entry of `premiumIndex`, or all of them."""
        is_array = body.lstrip().startswith(b"[")
        for raw in _decode_marks(body) if is_array else [body]:
            try:
                entry = _decode_mark(raw)
                mark = amount_if_any(entry.mark_price)
            except (*UNDECODABLE, MalformedNumber) as error:
                yield Reject(MALFORMED, f"{_MARKS}: {error}")
            else:
                if mark is not None:
                    self._marks[entry.symbol] = mark

    def _publish(
        self, instrument: Instrument, answer: _OpenInterest, recv_ns: int
    ) -> Iterable[Action]:
        instrument_id = instrument.instrument_id
        if answer.symbol != instrument_id:
            return (Reject(MALFORMED, f"{instrument_id}: the answer is of {answer.symbol!r}"),)
        event = _normalised(instrument, answer, self._marks.get(instrument_id), recv_ns)
        state = self._states[instrument_id]
        state.messages += 1
        state.last_recv_ns = recv_ns
        self._continuity.messages += 1
        is_new = self._continuity.is_newer(f"open_interest:{instrument_id}", answer.time)
        return (event,) if is_new else ()


def _normalised(
    instrument: Instrument, answer: _OpenInterest, mark: str | None, recv_ns: int
) -> OpenInterest:
    held = instrument.quantity(amount(answer.open_interest))
    return OpenInterest(
        **place(instrument, answer.time, recv_ns),
        open_interest=held,
        open_interest_value=None if mark is None else product(held, mark),
        quantity_unit=instrument.quantity_unit,
        contract_size=instrument.contract_size,
        mark_price=mark,
    )
