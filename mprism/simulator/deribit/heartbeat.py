"""Heartbeats of one connection: the server asks for a test, and goes without an answer.

A client that wants neither heartbeats nor data is cut off when it has been silent for long.
Times are in seconds on any one clock; `scale` shortens them all for tests.
"""

import math

from mprism.simulator.session import PolicyBreachError

ANSWER_SECONDS = 10
IDLE_SECONDS = 60.5
HEARTBEAT_CLOSE = 4000
ABNORMAL = 1006
_HEARTBEAT = b'{"params":{"type":"heartbeat"},"method":"heartbeat","jsonrpc":"2.0"}'
_TEST_REQUEST = b'{"params":{"type":"test_request"},"method":"heartbeat","jsonrpc":"2.0"}'


class Heartbeat:
    """The timing of one connection that was opened at `now`; off until it is started."""

    def __init__(self, scale: float, now: float) -> None:
        self._scale = scale
        self._interval = math.inf
        self._next = math.inf
        self._answer_due = math.inf
        self._idle_due = math.inf
        self.heard(now, idle=True)

    @property
    def due(self) -> float:
        """When `beat` is to be called."""
        return min(self._next, self._answer_due, self._idle_due)

    def start(self, interval: int, now: float) -> None:
        """Beat every `interval` seconds."""
        self._interval = interval * self._scale
        self._next = now + self._interval

    def stop(self) -> None:
        """Be silent, and wait for nothing."""
        self._next = self._answer_due = math.inf

    def answered(self) -> None:
        """The client has sent a test."""
        self._answer_due = math.inf

    def heard(self, now: float, *, idle: bool) -> None:
        """The client has said something; `idle` if it is subscribed to nothing."""
        is_idle = idle and self._next == math.inf
        self._idle_due = now + IDLE_SECONDS * self._scale if is_idle else math.inf

    def beat(self, now: float) -> tuple[bytes, ...]:
        """What is to be said now. Raises PolicyBreachError when the connection has to end."""
        if now >= self._idle_due:
            self._idle_due = math.inf
            raise PolicyBreachError("idle", ABNORMAL)
        if now >= self._answer_due:
            self.stop()
            raise PolicyBreachError("heartbeat close", HEARTBEAT_CLOSE)
        if now < self._next:
            return ()
        self._next = now + self._interval
        self._answer_due = min(self._answer_due, now + ANSWER_SECONDS * self._scale)
        return _HEARTBEAT, _TEST_REQUEST
