"""What a WebSocket connection needs to know of the exchange whose protocol it speaks."""

from collections.abc import Collection
from typing import Protocol


class Session(Protocol):
    """One connection's protocol state, without I/O.

    `combined` and `unit` say how data is to be encoded (see `wire.Publication`).
    """

    combined: bool
    unit: int

    @property
    def delivered(self) -> Collection[str]:
        """The names of the streams that this connection gets, as publications name them."""

    def receive(self, text: str) -> bytes:
        """The answer to a text message of the client. Raises PolicyBreachError if it must go."""

    def shutdown_notice(self, time_us: int) -> bytes:
        """The announcement that the server is about to end the connection."""


class PolicyBreachError(Exception):
    """The client did what the exchange cuts connections for."""
