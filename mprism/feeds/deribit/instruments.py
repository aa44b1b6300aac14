"""Deribit's instrument list: the futures, perpetual and dated, of `public/get_instruments`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from mprism.feeds.decimals import decimal_of, from_json
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.deribit.channels import EXCHANGE
from mprism.feeds.deribit.wire import Answer
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument, InstrumentList


class _Kind(Struct):
    """What every entry has to say first."""

    kind: str


class Listed(Struct):
    """One future. `reversed` ones are inverse: amounts are in dollars."""

    instrument_name: str
    base_currency: str
    quote_currency: str
    instrument_type: Literal["reversed", "linear"]
    settlement_period: str
    contract_size: Raw
    expiration_timestamp: int  # ms; of a perpetual far beyond what nanoseconds hold
    is_active: bool = True
    state: str = "open"


_decode = msgspec.json.Decoder(Answer[list[Raw]]).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_listed = msgspec.json.Decoder(Listed).decode


def parse_instruments(bodies: Sequence[bytes]) -> InstrumentList:
    """All futures. Raises NetworkFault for an answer that is none."""
    instruments: dict[str, Instrument] = {}
    skipped: list[str] = []
    for body in bodies:
        try:
            entries = _decode(body).result
        except UNDECODABLE as error:
            raise NetworkFault(f"{EXCHANGE} get_instruments: {error}") from error
        for raw in entries:
            try:
                if _decode_kind(raw).kind != "future":
                    continue
                instrument = _instrument(_decode_listed(raw))
            except (*UNDECODABLE, ValueError, OverflowError, OSError) as error:
                skipped.append(str(error))
            else:
                instruments[instrument.instrument_id] = instrument
    return InstrumentList(instruments, {}, tuple(skipped))


def _instrument(listed: Listed) -> Instrument:
    size = from_json(listed.contract_size)
    if decimal_of(size) <= 0:
        raise ValueError(f"{listed.instrument_name}: contract_size {size}")
    symbol = f"{listed.base_currency}-{listed.quote_currency}".upper()
    is_perpetual = listed.settlement_period == "perpetual"
    if not is_perpetual:
        day = datetime.fromtimestamp(listed.expiration_timestamp / 1_000, UTC)
        symbol += day.strftime("-%y%m%d")
    is_inverse = listed.instrument_type == "reversed"
    return Instrument(
        exchange=EXCHANGE,
        market_type="perpetual" if is_perpetual else "futures",
        symbol=symbol,
        instrument_id=listed.instrument_name,
        trading=listed.is_active and listed.state == "open",
        quantity_unit="contracts" if is_inverse else "base",
        contract_size=size,
        divisor=size if is_inverse else "1",
        has_funding=is_perpetual,
    )
