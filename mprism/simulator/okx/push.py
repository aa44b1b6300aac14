"""The form of every message of a channel (OKX v5, "Subscribe"): argument, action, data.

A stream is named `channel:value`, its value being an instrument's or an index's id, or an
instrument type. All times are strings of milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Rows = Sequence[Mapping[str, Any]]

_UNANNOUNCED = {"zzNew": {"level": [1, "2"]}}
"""Exchanges add fields without notice; a reader must not mind."""

TYPED_CHANNELS = frozenset(("instruments", "liquidation-orders"))
"""Channels that are subscribed by instrument type; the others are by instrument id."""

_encode = msgspec.json.Encoder().encode


def key_of(channel: str) -> str:
    """What the value in an argument of this channel is called."""
    return "instType" if channel in TYPED_CHANNELS else "instId"


def argument(stream: str) -> dict[str, str]:
    """The argument that stands for a stream."""
    channel, _, value = stream.partition(":")
    return {"channel": channel, key_of(channel): value}


def push(stream: str, rows: Rows, action: str | None = None) -> bytes:
    """One message of a stream."""
    message: dict[str, Any] = {"arg": argument(stream)}
    if action is not None:
        message["action"] = action
    message["data"] = [{**row, **_UNANNOUNCED} for row in rows]
    return _encode(message)
