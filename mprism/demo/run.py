"""Runs the demo from its start to its verdict."""

import json
import signal
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from mprism.demo.collector import Collector, open_collector
from mprism.demo.compare import Comparison
from mprism.demo.ending import end_exchanges
from mprism.demo.exchanges import open_exchanges
from mprism.demo.screen import open_screen
from mprism.demo.verdict import Outcomes, console, print_verdict, say
from mprism.exits import guarded
from mprism.logs import configure_logging
from mprism.nursery.embedded import open_embedded
from mprism.nursery.jetstream import open_loop
from mprism.nursery.stored import read_stream
from mprism.schema import decode
from mprism.settings import LoggingSettings, StreamSettings
from mprism.simulator import AnySimulator

_LIVE_SECONDS = 20.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    seconds: float
    seed: int
    rate: float
    report: Path | None
    faults: bool
    nats_server: Path | None


def run_demo(**options: Any) -> int:  # noqa: ANN401
    """Run the demo with the command line's options, and return its exit code."""
    chosen = Options(**options)
    configure_logging(LoggingSettings(level="ERROR"))
    return guarded(lambda: _judge(trio.run(_until_signal, chosen), chosen))


def _judge(outcomes: Outcomes, options: Options) -> int:
    print_verdict(outcomes)
    if options.report is not None:
        options.report.write_text(json.dumps(outcomes.report, indent=2) + "\n", encoding="utf-8")
    return 0 if outcomes.is_right else 1


async def _until_signal(options: Options) -> Outcomes:
    """The demo; a signal to end is taken like Ctrl-C, so that nothing is left running."""

    async def interrupt(signals: AsyncIterator[int]) -> None:
        async for _ in signals:
            raise KeyboardInterrupt

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt, signals)
            outcomes = await _demo(options)
            nursery.cancel_scope.cancel()
    return outcomes


async def _demo(options: Options) -> Outcomes:
    with TemporaryDirectory(prefix="mprism-demo-") as name:
        folder = Path(name)
        async with (
            open_loop(),
            open_embedded(folder / "nats", binary=options.nats_server) as broker,
            open_exchanges(
                seconds=options.seconds,
                seed=options.seed,
                rate=options.rate,
                faults=options.faults,
            ) as simulators,
        ):
            say(
                f"mprism demo: {len(simulators)} simulated exchanges, nats-server at {broker.url}, "
                f"{options.rate:g} messages/s each for {options.seconds:g} s"
            )
            async with open_collector(folder / "config", simulators, broker.url) as collector:
                await _all_live(collector)
                await _watch(collector, simulators, options)
                status = await end_exchanges(simulators, collector)
                interruptions = await _interruptions(collector, simulators)
                exit_code = await collector.stop()
            return await _compare(broker.url, simulators, interruptions, status, exit_code)


async def _all_live(collector: Collector) -> None:
    with trio.move_on_after(_LIVE_SECONDS):
        while True:
            feeds = (await collector.get("/status"))["feeds"]
            if len(feeds) > 1 and all(feed["state"] == "live" for feed in feeds):
                return
            await trio.sleep(_POLL_SECONDS)
    raise collector.failure(f"has not all feeds live after {_LIVE_SECONDS:g} s")


async def _watch(
    collector: Collector, simulators: Sequence[AnySimulator], options: Options
) -> None:
    start = trio.current_time()
    with open_screen(console) as screen:
        for second in range(1, int(options.seconds) + 1):
            await trio.sleep_until(start + second)
            faults = sum(
                count
                for simulator in simulators
                for name, count in simulator.counts.items()
                if name.startswith("fault_")
            )
            screen.update(second, await collector.get("/status"), faults)


async def _compare(
    url: str,
    simulators: Sequence[AnySimulator],
    interruptions: dict[str, int],
    status: dict[str, Any],
    exit_code: int,
) -> Outcomes:
    say("reading the stream back")
    began = time.monotonic()
    comparison = Comparison([simulator.truth for simulator in simulators])
    count = 0
    async with read_stream(url, StreamSettings().name) as messages:
        async for batch in messages:
            for message in batch:
                comparison.read(decode(message.payload))
            count += len(batch)
    say(f"{count:,} messages read and compared in {time.monotonic() - began:.1f} s")
    results = comparison.end(interruptions)
    return Outcomes(results, comparison.problems.texts, status, exit_code, comparison.withheld())


async def _interruptions(
    collector: Collector, simulators: Sequence[AnySimulator]
) -> dict[str, int]:
    """How often books of each exchange went out of sequence, as the collector tells.

    A connection that ended interrupted all its books.
    """
    counts = {simulator.exchange: 0 for simulator in simulators}
    for feed in (await collector.get("/status"))["feeds"]:
        counts[feed["exchange"]] += feed["resyncs"]
    for connection in (await collector.get("/connections"))["websockets"]:
        books = sum(_is_book(stream["name"]) for stream in connection["streams"])
        counts[connection["exchange"]] += connection["reconnects"] * books
    return counts


def _is_book(stream: str) -> bool:
    """Whether a stream of any of the exchanges is of a book."""
    return "@depth" in stream or stream.startswith(("books:", "book."))
