"""Runs a stage in its process while the exchange sends to it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
import trio

from benchmarks.exchange import Burst, kind_of, open_exchange, prepare
from benchmarks.laps import Frame, Laps
from benchmarks.measurement import READY, Measurement, Order, Stage
from benchmarks.stored import expected_messages
from mprism.feeds.binance.market import USDM

_START_SECONDS = 30.0


class StageFailed(Exception):
    """A stage's process did not get as far as to measure."""


@dataclass(frozen=True, slots=True)
class Work:
    """The frames that a stage gets, prepared once."""

    laps: Laps
    frames: list[Frame]  # the lead-in first
    bursts: list[Burst]  # of the rest
    seconds_between: float  # bursts; 0: as fast as they are read
    messages: int

    @property
    def connections(self) -> dict[str, list[str]]:
        """What to subscribe to, by path."""
        connections: dict[str, list[str]] = {}
        for stream in self.laps.streams:
            route = USDM.routes["orderbook" if "depth" in kind_of(stream) else "trade"]
            connections.setdefault(f"{route}/stream", []).append(stream)
        return connections


def prepare_work(laps: Laps, frames: int, *, per_burst: int, seconds_between: float) -> Work:
    """`frames` frames after the lead-in."""
    sent = laps.frames(laps.lead_in + frames)
    bursts = prepare(sent[laps.lead_in :], per_burst)
    return Work(laps, sent, bursts, seconds_between, expected_messages(sent, laps.snapshots))


async def run_stage(
    stage: Stage, work: Work, *, cores: Sequence[int], nats_url: str = ""
) -> Measurement:
    """One stage's measurement. Raises StageFailed."""
    laps = work.laps
    lead_in = work.frames[: laps.lead_in]
    async with open_exchange(laps.source, lead_in) as exchange:
        order = Order(
            stage=stage,
            port=exchange.port,
            connections=work.connections,
            symbols=list(laps.snapshots),
            lead_in=laps.lead_in,
            frames=len(work.frames) - laps.lead_in,
            messages=work.messages,
            nats_url=nats_url,
            cores=list(cores),
        )
        async with _process(order) as lines:
            with trio.move_on_after(_START_SECONDS) as starting:
                await _line(lines, stage, READY)
            if starting.cancelled_caught:
                raise StageFailed(f"{stage}: not ready within {_START_SECONDS:g} s")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.send, work.bursts, work.seconds_between)
                result = await _line(lines, stage)
                nursery.cancel_scope.cancel()
    measurement = msgspec.json.decode(result, type=Measurement)
    if exchange.depth_requests > len(laps.snapshots):
        measurement.faults["snapshots asked for again"] = exchange.depth_requests - laps.lead_in
    return measurement


async def _line(lines: AsyncIterator[str], stage: Stage, expected: str | None = None) -> str:
    async for line in lines:
        if expected is None or line == expected:
            return line
    raise StageFailed(f"{stage}: the process ended before it had measured")


@asynccontextmanager
async def _process(order: Order) -> AsyncIterator[AsyncIterator[str]]:
    argument = msgspec.json.encode(order).decode()
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "benchmarks.stages", argument],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    if process.stdout is None:
        raise TypeError("the process was opened with a pipe")
    try:
        async with process.stdout:
            yield _lines(process.stdout)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[str]:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode()
