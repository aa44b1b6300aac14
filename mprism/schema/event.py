"""The fields that every message carries, and how times are written.

Decimals are the exchange's own strings. Times are integers in nanoseconds since the
Unix epoch; `timestamp` repeats `ts_event` for people.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import ClassVar

import msgspec

SCHEMA_VERSION = 1

NS_PER_SECOND = 1_000_000_000

Level = tuple[str, str]
"""One price level: price and quantity as the exchange wrote them."""


class Event(msgspec.Struct, kw_only=True, gc=False, tag_field="data_type"):
    """One thing that happened at an exchange. Subclasses are tagged with their data type."""

    data_type: ClassVar[str]

    exchange: str
    market_type: str
    symbol: str
    instrument_id: str
    timestamp: str
    ts_event: int
    ts_recv: int
    schema_version: int = SCHEMA_VERSION

    def key(self) -> str:
        """The part of the message id that tells this event from others of its subject.

        Made from the exchange's data alone, so that any collector makes the same.
        """
        raise NotImplementedError


@lru_cache(maxsize=8)
def _seconds(second: int) -> str:
    # Consecutive events share their second: formatting it once saves most of the cost.
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(ns: int) -> str:
    """`ns` since the epoch as RFC 3339 in UTC, with as many digits as it needs (3, 6 or 9)."""
    second, fraction = divmod(ns, NS_PER_SECOND)
    if fraction % 1_000_000 == 0:
        return f"{_seconds(second)}.{fraction // 1_000_000:03d}Z"
    if fraction % 1_000 == 0:
        return f"{_seconds(second)}.{fraction // 1_000:06d}Z"
    return f"{_seconds(second)}.{fraction:09d}Z"
