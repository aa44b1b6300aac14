"""Which trades and values a client has provably read.

A client answers pings in the order of what it reads, so the answer to a ping confirms every
frame that was written before it.
"""

import trio

from mprism.simulator.tape import Outcome, Tape
from mprism.simulator.values import ValueTape

_Runs = dict[Tape | ValueTape, list[list[int]]]
"""Records by tape, as runs [first index, last index]."""


class Receipt:
    """One ping and the records that its answer confirms."""

    __slots__ = ("_runs", "confirmed", "settled")

    def __init__(self, runs: _Runs) -> None:
        self._runs = runs
        self.confirmed = False
        self.settled = trio.Event()  # answered, or never to be

    def confirm(self) -> None:
        """The ping was answered."""
        for tape, runs in self._runs.items():
            for first, last in runs:
                tape.confirm(first, last)
        self.confirmed = True
        self.settled.set()


class Receipts:
    """The records written on one connection and the pings that were sent among them."""

    def __init__(self) -> None:
        self._runs: _Runs = {}
        self._pings: dict[bytes, Receipt] = {}
        self._last_stamp = 0

    def note(self, tape: Tape | ValueTape, index: int, outcome: Outcome) -> None:
        """A record got as far as `outcome` on this connection."""
        tape.note(index, outcome)
        if outcome is not Outcome.SENT:
            return
        runs = self._runs.setdefault(tape, [])
        if runs and runs[-1][1] + 1 == index:
            runs[-1][1] = index
        else:
            runs.append([index, index])

    def ping(self, time_ms: int) -> tuple[bytes, Receipt]:
        """The payload of a ping to be written now, and its receipt."""
        # Two pings within one millisecond must still be told apart.
        self._last_stamp = max(self._last_stamp + 1, time_ms)
        payload = str(self._last_stamp).encode()
        receipt = self._pings[payload] = Receipt(self._runs)
        self._runs = {}
        return payload, receipt

    def pong(self, payload: bytes) -> bool:
        """A pong came; False if no ping had this payload. Older pings are answered with it."""
        if payload not in self._pings:
            return False
        while self._pings:
            oldest = next(iter(self._pings))
            self._pings.pop(oldest).confirm()
            if oldest == payload:
                break
        return True

    def abandon(self) -> None:
        """The connection has ended: no ping will be answered any more."""
        for receipt in self._pings.values():
            receipt.settled.set()
        self._pings.clear()
        self._runs = {}
