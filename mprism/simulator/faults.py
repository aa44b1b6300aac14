"""Faults that the simulator can be told to make, and a schedule of one of each.

A frame fault counts on every connection that is open when it is injected, and takes the
next data frames whose stream name contains `matching`. A session fault counts on every open
connection as well. A REST fault counts for the REST interface, a market fault for everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

MalformedKind = Literal[
    "truncated",
    "not_json",
    "wrong_types",
    "missing_field",
    "nan",
    "negative",
    "unknown_event",
    "empty_list",
    "empty_object",
    "huge",
    "binary",
    "bad_utf8",
]
MALFORMED_KINDS: tuple[MalformedKind, ...] = get_args(MalformedKind)


@dataclass(frozen=True, slots=True)
class Close:
    """Close with this code after everything written was read; 1006 ends without a close frame."""

    code: int = 1001


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the TCP connection after everything written was read."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Write nothing for a while. Data of that time is lost; pings and answers come after it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LoseFrames:
    """Do not write the next data frames."""

    count: int = 1
    matching: str = ""


@dataclass(frozen=True, slots=True)
class RepeatFrames:
    """Write the next data frames twice."""

    count: int = 1
    matching: str = ""


@dataclass(frozen=True, slots=True)
class FragmentFrames:
    """Write the next data frames in several WebSocket fragments. Nothing is lost by it."""

    count: int = 1
    matching: str = ""


@dataclass(frozen=True, slots=True)
class MalformFrames:
    """Write something broken in place of the next data frames.

    `bad_utf8` obliges the client to fail the connection (RFC 6455, section 8.1), so it waits
    until everything written was read, writes one frame of its own and nothing after it.
    """

    count: int = 1
    kind: MalformedKind = "truncated"
    matching: str = ""


@dataclass(frozen=True, slots=True)
class ServerShutdown:
    """Announce the end of the connection; close it after `close_after` seconds, if given."""

    close_after: float | None = None


@dataclass(frozen=True, slots=True)
class RefuseConnections:
    """Answer the next WebSocket handshakes with this HTTP status."""

    count: int = 1
    status: int = 503


@dataclass(frozen=True, slots=True)
class StaleSnapshot:
    """Answer the next depth requests with a book from before the fault, by at least a second."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class Throttle:
    """Answer 429 with Retry-After until so many seconds are over."""

    retry_after: int = 1


@dataclass(frozen=True, slots=True)
class Ban:
    """Answer 418 with Retry-After until so many seconds are over."""

    retry_after: int = 2


@dataclass(frozen=True, slots=True)
class ServerError:
    """Answer the next REST requests with this status."""

    status: int = 503
    count: int = 1


@dataclass(frozen=True, slots=True)
class SlowAnswer:
    """Hold back the next REST answers, each made before the wait, hence old when it arrives."""

    seconds: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class MissingSnapshot:
    """Leave out the book that opens a subscription, the next times: an update comes first."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class OmitChannels:
    """Leave the next channels out of the answer to a subscription, and never serve them."""

    count: int = 1
    matching: str = ""


@dataclass(frozen=True, slots=True)
class RefuseArguments:
    """Answer the next arguments of a subscription with an error of their own."""

    count: int = 1
    matching: str = ""


@dataclass(frozen=True, slots=True)
class ResetSequence:
    """Let the ids of all books go on from smaller ones, as after maintenance."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Announce that the platform is locked, and that it is open again after so long."""

    seconds: float = 1.0


FrameFault = LoseFrames | RepeatFrames | FragmentFrames | MalformFrames
SessionFault = MissingSnapshot | OmitChannels | RefuseArguments
ConnectionFault = Close | Reset | Silence | ServerShutdown | FrameFault | SessionFault
MarketFault = ResetSequence | Maintenance
RestFault = StaleSnapshot | Throttle | Ban | ServerError | SlowAnswer
Fault = ConnectionFault | RefuseConnections | RestFault | MarketFault

Schedule = tuple[tuple[float, Fault], ...]
"""(seconds after the simulator was opened, fault), in order of time."""


def standard_faults(
    seconds: float, *, books: str = "@depth", own: Sequence[tuple[float, Fault]] = ()
) -> Schedule:
    """A schedule for a run of this length with every common fault, and time to recover.

    `books` is the text in the names of all book streams. `own` are (share of the run, fault),
    the faults that the exchange has for itself. Losses come right after REST faults, so that
    the snapshot which repairs them meets the fault. Nothing happens in the last eighth of
    the run.
    """
    shares: tuple[tuple[float, Fault], ...] = (
        (0.12, RepeatFrames(3)),
        (0.15, FragmentFrames(3)),
        (0.18, MalformFrames(1, "truncated")),
        (0.21, MalformFrames(1, "wrong_types")),
        (0.24, LoseFrames(2)),
        (0.28, StaleSnapshot(1)),
        (0.28, LoseFrames(1, books)),
        (0.34, Close(1001)),
        (0.42, MalformFrames(1, "missing_field")),
        (0.44, MalformFrames(1, "binary")),
        (0.46, Throttle(1)),
        (0.46, LoseFrames(1, books)),
        (0.52, ServerError(503)),
        (0.52, LoseFrames(1, books)),
        (0.56, Reset()),
        (0.64, Silence(min(5.0, seconds / 6))),
        (0.82, SlowAnswer(min(1.0, seconds / 20))),
        (0.82, LoseFrames(1, books)),
        (0.86, MalformFrames(1, "bad_utf8")),
        *own,
    )
    in_order = sorted(shares, key=lambda entry: entry[0])
    return tuple((share * seconds, fault) for share, fault in in_order)
