"""Levels of Deribit's books, `[action, price, amount]`, as JSON pairs of decimal strings.

The plain case, which is nearly every level, is rewritten as text. Numbers with an exponent,
blanks and anything unknown are looked at level by level.
"""

import re
from typing import Final

import msgspec
from msgspec import Raw

from mprism.feeds.decimals import MalformedNumber, decimal_of, from_json
from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.levels import MalformedLevels
from mprism.schema import Level

_REMOVED: Final = re.compile(rb'\["delete",([0-9.]+),[0-9.]+\]')
_SET: Final = re.compile(rb'\["(?:new|change)",([0-9.]+),([0-9.]+)\]')

_decode = msgspec.json.Decoder(list[tuple[str, Raw, Raw]]).decode
_encode = msgspec.json.Encoder().encode


def pairs(levels: Raw) -> Raw:
    """`levels` as `[price, quantity]`; quantity zero removes. Raises MalformedLevels."""
    text = bytes(levels)
    count = text.count(b"[") - 1
    rewritten, removed = _REMOVED.subn(rb'["\1","0"]', text)
    rewritten, placed = _SET.subn(rb'["\1","\2"]', rewritten)
    if removed + placed == count:
        return Raw(rewritten)
    try:
        return Raw(_encode([_pair(*level) for level in _decode(text)]))
    except (*UNDECODABLE, MalformedNumber) as error:
        raise MalformedLevels(str(error)) from error


def _pair(action: str, price: Raw, amount: Raw) -> Level:
    number = from_json(amount)
    if action not in ("new", "change", "delete") or decimal_of(number) < 0:
        raise MalformedLevels(f"action {action!r}, amount {number}")
    return from_json(price), "0" if action == "delete" else number
