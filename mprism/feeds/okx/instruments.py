"""OKX's instrument lists (OKX v5, "Get instruments").

Fields that do not apply are empty, and before its opening nearly all of an instrument's are.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from mprism.feeds.decimals import MalformedNumber, decimal_of, product
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument, InstrumentList
from mprism.feeds.okx.answers import rows_of
from mprism.feeds.okx.wire import milliseconds


class Listed(Struct, rename="camel"):
    """One entry. Values of `state`, `ruleType` and `ctType` are not a closed set."""

    inst_id: str
    inst_type: str
    state: str = ""
    base_ccy: str = ""
    quote_ccy: str = ""
    inst_family: str = ""  # not in lists of before 2023
    uly: str = ""
    ct_val: str = ""
    ct_mult: str = ""
    ct_type: str = ""
    exp_time: str = ""
    rule_type: str = ""


_decode = msgspec.json.Decoder(Listed).decode


def parse_instruments(
    exchange: str, types: Collection[str], bodies: Sequence[bytes]
) -> InstrumentList:
    """All instruments of `types` in the answers. Raises NetworkFault for one that is none."""
    instruments: dict[str, Instrument] = {}
    skipped: list[str] = []
    for body in bodies:
        try:
            rows = rows_of(body)
        except NetworkFault as fault:
            raise NetworkFault(f"{exchange} instruments: {fault}") from fault
        for row in rows:
            try:
                listed = _decode(row)
                if listed.inst_type in types:
                    instruments[listed.inst_id] = _instrument(exchange, listed)
            except (*UNDECODABLE, ValueError) as error:
                skipped.append(str(error))
    return InstrumentList(instruments, {}, tuple(skipped))


def _instrument(exchange: str, listed: Listed) -> Instrument:
    try:
        return (
            _spot(exchange, listed) if listed.inst_type == "SPOT" else _contract(exchange, listed)
        )
    except ValueError as error:
        raise ValueError(f"{listed.inst_id}: {error}") from error


def _spot(exchange: str, listed: Listed) -> Instrument:
    symbol = f"{_given(listed, 'base_ccy')}-{_given(listed, 'quote_ccy')}".upper()
    return Instrument(exchange, "spot", symbol, listed.inst_id, listed.state == "live")


def _contract(exchange: str, listed: Listed) -> Instrument:
    # Families share an underlying: BTC-USD, which is inverse, and BTC-USD_UM, which is linear.
    symbol = (listed.inst_family or _given(listed, "uly")).upper()
    if symbol.count("-") != 1:
        raise ValueError(f"{symbol!r} is not BASE-QUOTE")
    dated = listed.inst_type == "FUTURES"
    if dated:
        symbol += _expiry(listed).strftime("-%y%m%d")
    value = _contract_value(listed)
    return Instrument(
        exchange,
        "futures" if dated else "perpetual",
        symbol,
        listed.inst_id,
        listed.state == "live",
        quantity_unit=_unit(listed),
        contract_size=value,
        multiplier=value if listed.ct_type == "linear" else "1",
        # X-Perps are listed among the futures and have funding all the same.
        has_funding=not dated or listed.rule_type == "xperp",
    )


def _unit(listed: Listed) -> Literal["base", "contracts"]:
    if listed.ct_type not in ("linear", "inverse"):
        raise ValueError(f"ctType {listed.ct_type!r} is neither linear nor inverse")
    return "base" if listed.ct_type == "linear" else "contracts"


def _contract_value(listed: Listed) -> str:
    value = product(_given(listed, "ct_val"), _given(listed, "ct_mult"))
    if decimal_of(value) <= 0:
        raise MalformedNumber(f"a contract of {value}")
    return value


def _expiry(listed: Listed) -> datetime:
    expires = milliseconds(listed.exp_time)
    if expires is None:
        raise ValueError("expTime is empty")
    return datetime.fromtimestamp(expires / 1000, UTC)


def _given(listed: Listed, name: str) -> str:
    text: str = getattr(listed, name)
    if not text:
        raise ValueError(f"{name} is empty")
    return text
