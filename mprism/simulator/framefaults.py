"""The frame faults that are still to come on one connection."""

from collections import Counter, deque

from mprism.simulator.damage import damaged
from mprism.simulator.faults import (
    FragmentFrames,
    FrameFault,
    LoseFrames,
    MalformFrames,
    RepeatFrames,
)
from mprism.simulator.session import Session
from mprism.simulator.tape import Outcome
from mprism.simulator.wire import Publication, fragments


class FrameFaults:
    """Faults in the order in which they were injected; a frame takes the first that fits it."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._pending: deque[list[FrameFault]] = deque()

    def add(self, fault: FrameFault) -> None:
        """`fault` befalls the next `fault.count` frames that match."""
        self._pending.append([fault] * fault.count)

    def apply(self, publication: Publication, session: Session) -> tuple[Outcome, bytes]:
        """What is to be written instead of this publication, and what that does to its trade."""
        combined, unit = session.combined, session.unit
        fault = self._next(publication.stream) if self._pending else None
        match fault:
            case None:
                return Outcome.SENT, publication.frame(combined, unit)
            case LoseFrames():
                self._counts["frames_lost"] += 1
                return Outcome.LOST, b""
            case RepeatFrames():
                self._counts["frames_repeated"] += 1
                return Outcome.SENT, publication.frame(combined, unit) * 2
            case FragmentFrames():
                self._counts["frames_fragmented"] += 1
                return Outcome.SENT, fragments(publication.payload(combined, unit))
            case MalformFrames():
                self._counts["frames_malformed"] += 1
                self._counts[f"frames_malformed_{fault.kind}"] += 1
                data = damaged(publication.payload(combined, unit), fault.kind)
                return Outcome.MALFORMED, data

    def _next(self, stream: str) -> FrameFault | None:
        for waiting in self._pending:
            if waiting and waiting[0].matching in stream:
                fault = waiting.pop()
                if not waiting:
                    self._pending.remove(waiting)
                return fault
        return None
