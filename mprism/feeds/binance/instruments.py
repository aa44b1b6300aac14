"""Binance's instrument lists: `exchangeInfo`, and on USD-M `fundingInfo`."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from mprism.feeds.binance.funding import hours_of, parse_funding_info
from mprism.feeds.binance.market import SPOT, Market
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.protocol import WEIGHT
from mprism.feeds.weight import Limit

# A limit beyond these is none.
_LONGEST_SECONDS: Final = 366 * 86_400
_MOST_WEIGHT: Final = 10**9


class RateLimit(Struct, rename="camel"):
    """One of the limits that apply to our address."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class Symbol(Struct, rename="camel"):
    """One listed symbol. Values of `status` and `contractType` are not a closed set."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    contract_type: str = ""
    delivery_date: int | None = None


class ExchangeInfo(Struct, rename="camel"):
    """The answer as far as it is used. Symbols stay raw: one bad entry must not cost the rest."""

    symbols: list[msgspec.Raw]
    rate_limits: list[msgspec.Raw] = []


_decode = msgspec.json.Decoder(ExchangeInfo).decode
_decode_limit = msgspec.json.Decoder(RateLimit).decode
_decode_symbol = msgspec.json.Decoder(Symbol).decode


def parse_instruments(
    market: Market, body: bytes, funding_info: bytes | None = None
) -> InstrumentList:
    """All instruments of the market, by `exchangeInfo` and by `fundingInfo`, where it is known.

    Raises NetworkFault for an answer that is none.
    """
    try:
        info = _decode(body)
    except UNDECODABLE as error:
        raise NetworkFault(f"{market.exchange} exchangeInfo: {error}") from error
    instruments: dict[str, Instrument] = {}
    skipped: list[str] = []
    for raw in info.symbols:
        try:
            instrument = _instrument(market, _decode_symbol(raw))
        except (*UNDECODABLE, ValueError, OverflowError, OSError) as error:
            skipped.append(str(error))
        else:
            instruments[instrument.instrument_id] = instrument
    if funding_info is not None:
        skipped += _add_funding(instruments, funding_info)
    return InstrumentList(instruments, _limits(info.rate_limits), tuple(skipped))


def _add_funding(instruments: dict[str, Instrument], funding_info: bytes) -> list[str]:
    """Give instruments their funding intervals; returns what could not be read."""
    named, unread = parse_funding_info(funding_info)
    for instrument_id, instrument in instruments.items():
        if instrument.has_funding:
            instruments[instrument_id] = replace(
                instrument, funding_interval_hours=hours_of(instrument_id, named)
            )
    return unread


def _instrument(market: Market, listed: Symbol) -> Instrument:
    symbol = f"{listed.base_asset}-{listed.quote_asset}".upper()
    if market is SPOT:
        return Instrument(
            market.exchange, "spot", symbol, listed.symbol, listed.status == "TRADING"
        )
    # Delivery contracts are told by the date in their name, because their contractType
    # changes to "" and others while they are delivered.
    dated = "_" in listed.symbol and "PERPETUAL" not in listed.contract_type
    if dated:
        if listed.delivery_date is None:
            raise ValueError(f"{listed.symbol}: a dated contract without deliveryDate")
        day = datetime.fromtimestamp(listed.delivery_date / 1000, UTC)
        symbol += day.strftime("-%y%m%d")
    return Instrument(
        market.exchange,
        "futures" if dated else "perpetual",
        symbol,
        listed.symbol,
        listed.status == "TRADING",
        has_funding=not dated,
    )


def _limits(limits: list[msgspec.Raw]) -> dict[str, Limit]:
    """REQUEST_WEIGHT, if it is told. What cannot be read is another limit."""
    seconds = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
    for raw in limits:
        try:
            limit = _decode_limit(raw)
        except UNDECODABLE:
            continue
        length = limit.interval_num * seconds.get(limit.interval, 0)
        is_sane = 0 < length <= _LONGEST_SECONDS and 0 < limit.limit <= _MOST_WEIGHT
        if limit.rate_limit_type == "REQUEST_WEIGHT" and is_sane:
            return {WEIGHT: Limit(limit.limit, float(length))}
    return {}
