"""What a WebSocket connection needs to know of the exchange whose protocol it speaks."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from mprism.simulator.faults import SessionFault
from mprism.simulator.wire import Publication

POLICY_VIOLATION = 1008

Reply = bytes | Publication
"""A text message that belongs to no stream, or one message of a stream for one connection.

A book that opens a subscription is of the second kind, so that frame faults befall it too.
"""


class Session(Protocol):
    """One connection's protocol state, without I/O.

    `combined` and `unit` say how data is to be encoded (see `wire.Publication`).
    """

    combined: bool
    unit: int

    @property
    def delivered(self) -> Collection[str]:
        """The names of the streams that this connection gets, as publications name them."""

    def receive(self, text: str) -> Sequence[Reply]:
        """What a text message of the client is answered with, in order.

        A stream that it subscribed to goes on right after the last reply. Raises
        PolicyBreachError if the client must go.
        """

    def shutdown_notice(self, time_us: int) -> bytes:
        """The announcement that the server is about to end the connection."""

    @property
    def due(self) -> float:
        """When `wake` is to be called, on the clock of the simulator; infinity for never.

        It is looked at again after every message and every call of `wake`.
        """

    def wake(self) -> Sequence[Reply]:
        """What the server says by itself now. Raises PolicyBreachError to end it instead."""

    def inject(self, fault: SessionFault) -> None:
        """Make `fault` from now on. One that the exchange does not know changes nothing."""


class PassiveSession:
    """The part of a session that never speaks by itself and has no faults of its own."""

    due = math.inf

    def wake(self) -> Sequence[Reply]:
        """Nothing, ever."""
        return ()

    def inject(self, fault: SessionFault) -> None:
        """No such fault here."""


OpenSession = Callable[[str], Session]
"""A session for the target of a handshake. Raises UnknownPathError or PolicyBreachError."""


class PolicyBreachError(Exception):
    """The client did what the exchange cuts connections for, with this close code.

    1006 stands for an end without a close frame.
    """

    def __init__(self, reason: str, code: int = POLICY_VIOLATION) -> None:
        super().__init__(reason)
        self.code = code


class UnknownPathError(Exception):
    """There is no stream server at this path."""
