"""Rows of the instrument lists: REST `public/instruments` and the channel `instruments`.

Every field is a string, but for `instIdCode`, `futureSettlement` and the lists. What does
not apply is empty, and so is nearly everything of an instrument before its opening.
"""

from collections.abc import Iterable
from typing import Any

from mprism.simulator.okx.catalog import Listing

_LISTED_MS = "1611916828000"
_KEPT_WHEN_BLANK = {"instId", "instType", "instFamily", "uly", "state", "listTime", "ruleType"}


def instrument_rows(listings: Iterable[Listing]) -> list[dict[str, Any]]:
    """A list of instruments."""
    return [instrument_row(listing) for listing in listings]


def instrument_row(listing: Listing) -> dict[str, Any]:
    """One instrument."""
    row = {**_common(listing), **_of_type(listing)}
    if listing.blank:
        blank = {name for name, field in row.items() if isinstance(field, str)}
        row |= dict.fromkeys(blank - _KEPT_WHEN_BLANK, "")
    return row


def _common(listing: Listing) -> dict[str, Any]:
    instrument = listing.instrument
    step = instrument.quantity.text(1)
    expires = listing.expires_ms
    return {
        "instId": listing.inst_id,
        "instType": listing.inst_type,
        "instFamily": listing.family,
        "uly": listing.index,
        "state": instrument.status,
        "ruleType": listing.rule,
        "tickSz": instrument.price.text(1),
        "lotSz": step,
        "minSz": step,
        "listTime": _LISTED_MS,
        "expTime": "" if expires is None else str(expires),
        "contTdSwTime": "1704876947000",
        "preMktSwTime": "",
        "openType": "call_auction",
        "instIdCode": listing.code,
        "instCategory": "1",
        "groupId": "1",
        "category": "1",
        "alias": "",
        "optType": "",
        "stk": "",
        "lever": "10" if listing.inst_type == "SPOT" else "100",
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
        "maxTwapSz": "9999999999.0000000000000000",
        "maxIcebergSz": "9999999999.0000000000000000",
        "maxTriggerSz": "9999999999.0000000000000000",
        "maxStopSz": "1000000",
        "upcChg": [],
        "rpiMinLevel": "",
        "rpiMinPxBand": "",
        "futureSettlement": listing.inst_type == "FUTURES" and listing.rule == "normal",
    }


def _of_type(listing: Listing) -> dict[str, Any]:
    spot = listing.inst_type == "SPOT"
    return {
        "baseCcy": listing.instrument.base if spot else "",
        "quoteCcy": listing.instrument.quote if spot else "",
        "tradeQuoteCcyList": [listing.instrument.quote] if spot else [],
        "settleCcy": listing.settled_in,
        "ctVal": listing.contract_value,
        "ctMult": "" if spot else "1",
        "ctValCcy": listing.value_currency,
        "ctType": listing.contract_type,
        "maxLmtAmt": "20000000",
        "maxMktAmt": "1000000" if spot else "",
    }
