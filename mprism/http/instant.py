"""Instants and ages as the answers write them.

Instants come in as Unix seconds, or nanoseconds where a name says so.
"""

from mprism.schema import rfc3339

NS_PER_SECOND = 1_000_000_000


def stamp(at: float | None) -> str | None:
    """`at` in RFC 3339, UTC, to the millisecond."""
    return None if at is None else rfc3339(round(at * 1_000) * 1_000_000)


def age(at: float | None, now: float) -> float | None:
    """Seconds from `at` to `now`, to the millisecond; not below zero when a clock was set back."""
    return None if at is None else max(0.0, round(now - at, 3))


def seconds(ns: int | None) -> float | None:
    """Nanoseconds since the epoch as Unix seconds."""
    return None if ns is None else ns / NS_PER_SECOND
