"""The whole benchmark: what is run in which order, and on which cores."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from benchmarks import normalise
from benchmarks.costs import Cost
from benchmarks.laps import Laps
from benchmarks.measurement import STAGES, Measurement, Stage
from benchmarks.micro import microseconds
from benchmarks.process import Work, prepare_work, run_stage
from benchmarks.source import load_source
from benchmarks.stored import StoredComparison
from mprism.nursery.embedded import open_embedded
from mprism.nursery.jetstream import open_loop
from mprism.nursery.stored import read_stream
from mprism.schema import decode
from mprism.settings import StreamSettings

_BURST_FRAMES = 256
_PACED_RATE = 5_000  # frames a second: a busy day, far from the limit
_PACED_SECONDS = 3
_TICK_SECONDS = 0.002

Tell = Callable[[str], None]


@dataclass(slots=True)
class Stored:
    """What comparing a stream with what was sent came to."""

    expected: int
    messages: int
    books: int
    wrong: int
    problems: list[str]

    @property
    def is_right(self) -> bool:
        """Whether everything is there, once, in order, and every book is true."""
        return not self.wrong and self.messages == self.expected


@dataclass(slots=True)
class Report:
    """Everything that was measured; parts that were not asked for are empty."""

    source: str
    frame_bytes: float
    pinned: bool
    steps_us: dict[str, float] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)  # of messages, by exchange and kind
    misread: list[str] = field(default_factory=list)  # why there are none of an exchange
    stages: dict[Stage, list[Measurement]] = field(default_factory=dict)  # one each round
    paced: Measurement | None = None
    stored: list[Stored] = field(default_factory=list)

    @property
    def losses(self) -> list[str]:
        """Why the run fails, in words; empty when nothing was lost or wrong."""
        found = [f"normalise: {problem}" for problem in self.misread]
        measured = [measurement for rounds in self.stages.values() for measurement in rounds]
        measured += [self.paced] if self.paced else []
        for measurement in measured:
            found += [f"{measurement.stage}: {n} {what}" for what, n in measurement.faults.items()]
            if measurement.missing:
                found.append(f"{measurement.stage}: {measurement.missing} frames not received")
        for stored in self.stored:
            found += stored.problems
            if stored.messages != stored.expected:
                found.append(f"{stored.messages} messages stored instead of {stored.expected}")
        return found


def run(frames: int, rounds: int, only: frozenset[str], tell: Tell) -> Report:
    """Measure what `only` names: `steps`, `normalise`, stages by their names, `paced`."""
    source = load_source()
    tell(f"frames: {source.description}")
    laps = Laps(source)
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    cores = available[:1] if len(available) > 1 else []
    sent = laps.frames(frames)
    size = sum(len(frame.text) for frame in sent) / len(sent)
    report = Report(source.description, size, bool(cores))
    if "steps" in only:
        report.steps_us = microseconds(laps)
    if "normalise" in only:
        tell("messages of each exchange, in memory")
        report.costs, report.misread = normalise.measure()
    if cores:
        os.sched_setaffinity(0, available[1:])
    trio.run(_measure, laps, frames, rounds, only, cores, report, tell)
    return report


async def _measure(
    laps: Laps,
    frames: int,
    rounds: int,
    only: frozenset[str],
    cores: list[int],
    report: Report,
    tell: Tell,
) -> None:
    stages = [stage for stage in STAGES if stage in only]
    work = prepare_work(laps, frames, per_burst=_BURST_FRAMES, seconds_between=0)
    for number in range(1, rounds + 1):
        for stage in stages:
            tell(f"round {number} of {rounds}: {stage}")
            if stage == "publish":
                measurement = await _collector(work, cores, report)
            else:
                measurement = await run_stage(stage, work, cores=cores)
            report.stages.setdefault(stage, []).append(measurement)
    if "paced" in only:
        tell(f"{_PACED_RATE:,} frames/s for {_PACED_SECONDS} s")
        paced = prepare_work(
            laps,
            _PACED_RATE * _PACED_SECONDS,
            per_burst=int(_PACED_RATE * _TICK_SECONDS),
            seconds_between=_TICK_SECONDS,
        )
        report.paced = await _collector(paced, cores, report)


async def _collector(work: Work, cores: list[int], report: Report) -> Measurement:
    """The whole collector; afterwards its stream is read back and compared."""
    with TemporaryDirectory(prefix="mprism-bench-") as folder:
        async with open_loop(), open_embedded(Path(folder)) as broker:
            measurement = await run_stage("publish", work, cores=cores, nats_url=broker.url)
            report.stored.append(await _read_back(broker.url, work))
    return measurement


async def _read_back(url: str, work: Work) -> Stored:
    comparison = StoredComparison(work.frames, work.laps.snapshots)
    async with read_stream(url, StreamSettings().name) as batches:
        async for batch in batches:
            for message in batch:
                comparison.read(decode(message.payload))
    comparison.end()
    return Stored(
        work.messages,
        comparison.messages,
        comparison.books,
        comparison.wrong,
        comparison.problems,
    )
