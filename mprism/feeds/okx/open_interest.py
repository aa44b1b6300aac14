"""Open interest (OKX v5, "Open interest channel"): pushed every 3 s when it has changed."""

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct, field

from mprism.feeds.decimals import amount, product
from mprism.feeds.decoding import Milliseconds
from mprism.feeds.instrument import Instrument
from mprism.feeds.okx.wire import Push, Unreadable
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Continuity
from mprism.schema import OpenInterest as OpenInterestEvent


class OpenInterestRow(Struct, gc=False):
    """One entry: contracts, and what they are worth in US dollars."""

    instrument_id: str = field(name="instId")
    contracts: str = field(name="oi")
    time: Milliseconds = field(name="ts")
    usd: str | None = field(name="oiUsd", default=None)


_decode = msgspec.json.Decoder(OpenInterestRow, strict=False).decode


class OpenInterest:
    """One contract's open interest."""

    def __init__(self, instrument: Instrument, continuity: Continuity) -> None:
        self._instrument = instrument
        self._continuity = continuity
        self._series = f"open_interest:{instrument.instrument_id}"
        # `BTC-USD_UM` is a family of its own, and its quote is the dollar.
        quote = instrument.symbol.split("-")[1]
        self._is_in_dollars = quote.partition("_")[0] == "USD"

    def read(self, raw: Raw, push: Push) -> Iterator[Action]:
        """What an entry leads to. Raises what makes an entry unreadable."""
        row = _decode(raw)
        if row.instrument_id != self._instrument.instrument_id:
            raise Unreadable("malformed event", f"instId {row.instrument_id!r}")
        event = self._normalised(row, push.recv_ns)
        if self._continuity.is_newer(self._series, row.time):
            yield event
        else:
            self._continuity.duplicates += 1

    def _normalised(self, row: OpenInterestRow, recv_ns: int) -> OpenInterestEvent:
        instrument = self._instrument
        contracts, usd = amount(row.contracts), amount(row.usd) if row.usd else None
        return OpenInterestEvent(
            **place(instrument, row.time, recv_ns),
            open_interest=instrument.quantity(contracts),
            open_interest_contracts=contracts,
            open_interest_value=self._value(contracts, usd),
            open_interest_usd=usd,
            quantity_unit=instrument.quantity_unit,
            contract_size=instrument.contract_size,
        )

    def _value(self, contracts: str, usd: str | None) -> str | None:
        """In quote currency, as far as it is known without a price."""
        instrument = self._instrument
        if instrument.quantity_unit == "contracts" and instrument.contract_size is not None:
            return product(contracts, instrument.contract_size)
        return usd if self._is_in_dollars else None
