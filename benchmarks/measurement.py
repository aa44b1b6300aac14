"""What a stage is told to do, and what came of it. Both travel between processes as JSON."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import trio

from mprism.state import CollectorState, Histogram

READY = "ready"

Stage = Literal["bare", "receive", "protocol", "encode", "publish"]
STAGES: tuple[Stage, ...] = ("bare", "receive", "protocol", "encode", "publish")

_LOOK_SECONDS = 0.01
_STALL_SECONDS = 20.0  # without progress: something is lost, and the run ends


class Order(msgspec.Struct, frozen=True):
    """What a process is to do."""

    stage: Stage
    port: int  # of the exchange, on loopback
    connections: dict[str, list[str]]  # path -> streams
    symbols: list[str]
    lead_in: int  # frames that come before it is ready
    frames: int  # frames to come after that
    messages: int  # messages of all of them together
    nats_url: str
    cores: list[int]  # to run on; empty: any


class Measurement(msgspec.Struct, frozen=True):
    """What it took. Times are of the measured frames, without the start."""

    stage: Stage
    frames: int
    seconds: float
    cpu_seconds: float  # user and system, of this process
    peak_bytes: int  # resident memory of this process
    faults: dict[str, int]  # what was counted as lost, refused or out of sequence
    missing: int = 0  # frames
    messages: int = 0  # acknowledged
    latency_ms: dict[str, float] = {}

    @property
    def frames_per_second(self) -> float:
        """How fast it was."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def cpu_us(self) -> float:
        """CPU time per frame, in microseconds."""
        return self.cpu_seconds / max(self.frames, 1) * 1e6


class Meter:
    """Measures from the moment that `ready` says so until `done` reaches what is expected."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.seconds = self.cpu_seconds = 0.0

    async def measure(
        self, ready: Callable[[], bool], done: Callable[[], int], expected: int
    ) -> None:
        """Returns when everything has come, or nothing has for too long."""
        while not ready():  # noqa: ASYNC110 - what is measured must not know that it is
            await trio.sleep(_LOOK_SECONDS)
        print(READY, flush=True)
        start, cpu_start = time.perf_counter(), time.process_time()
        seen, seen_at = -1, start
        while (now_done := done()) < expected:
            if now_done > seen:
                seen, seen_at = now_done, time.perf_counter()
            elif time.perf_counter() - seen_at > _STALL_SECONDS:
                break
            await trio.sleep(_LOOK_SECONDS)
        self.seconds = time.perf_counter() - start
        self.cpu_seconds = time.process_time() - cpu_start

    def result(self, frames: int, state: CollectorState | None = None) -> Measurement:
        """The measurement; what the collector says of itself if it ran."""
        publisher = None if state is None else state.publisher
        latency = Histogram() if publisher is None else publisher.latency
        quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        found = {name: latency.quantile(q) for name, q in quantiles.items()}
        return Measurement(
            self._order.stage,
            frames,
            self.seconds,
            self.cpu_seconds,
            peak_memory(),
            {} if state is None else faults_of(state),
            self._order.frames - frames,
            0 if publisher is None else publisher.acknowledged,
            {name: value * 1e3 for name, value in found.items() if value is not None}
            | ({"max": latency.max * 1e3} if latency.count else {}),
        )


def faults_of(state: CollectorState) -> dict[str, int]:
    """Everything by which the collector says that it does not have all, or not rightly."""
    counted = {
        "missing": sum(sum(feed.gaps.values()) for feed in state.feeds.values()),
        "rejected": sum(sum(feed.rejected.values()) for feed in state.feeds.values()),
        "repeated": sum(feed.duplicates for feed in state.feeds.values()),
        "resynchronised": sum(feed.resyncs for feed in state.feeds.values()),
        "failed connections": sum(feed.attempts for feed in state.feeds.values()),
        "dropped": sum(state.publisher.dropped.values()),
    }
    return {what: number for what, number in counted.items() if number}


def peak_memory() -> int:
    """The most resident memory that this process had, in bytes; 0 where it is not told."""
    # ru_maxrss will not do: on Linux it has what the parent had when it started this process.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1_024
