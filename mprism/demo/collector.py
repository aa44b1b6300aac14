"""The collector as a process of its own, configured for the simulators, watched over HTTP."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio
import yaml

from mprism.configuration import VARIABLES
from mprism.demo.exchanges import POLLING
from mprism.exits import CollectorFailed
from mprism.simulator import AnySimulator

_START_SECONDS = 30.0
_STOP_SECONDS = 40.0
_LAST_LINES = 15


class Collector:
    """A running collector. Made by `open_collector`."""

    def __init__(self, process: trio.Process, log: trio.abc.ReceiveStream) -> None:
        self.url = ""
        self._process = process
        self._log = log
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = trio.Event()

    async def follow_log(self) -> None:
        """Read the collector's log until it ends: where it listens, what went wrong."""
        rest = b""
        async for chunk in self._log:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._note(line)
        self._listening.set()

    def _note(self, line: bytes) -> None:
        self._lines.append(line.decode(errors="replace"))
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return  # a traceback, say; it is among the last lines
        if entry.get("event") == "listening":
            self.url = entry["http"]
            self._listening.set()

    async def started(self) -> None:
        """Wait until it listens. Raises CollectorFailed."""
        with trio.move_on_after(_START_SECONDS):
            await self._listening.wait()
        if not self.url:
            raise self.failure("did not start")

    def failure(self, what: str) -> CollectorFailed:
        """What happened, with the last lines of the log."""
        return CollectorFailed("\n".join([f"the collector {what}; its last lines:", *self._lines]))

    async def get(self, path: str) -> dict[str, Any]:
        """Its answer to `path`, such as `/status`. Raises CollectorFailed when there is none."""
        try:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
                answer = await client.get(f"{self.url}{path}")
        except httpx.TransportError as error:
            raise self.failure(f"does not answer ({type(error).__name__})") from error
        content: dict[str, Any] = answer.json()
        return content

    async def stop(self) -> int:
        """Ask it to stop, as a container does, and return its exit code."""
        self._process.terminate()
        with trio.move_on_after(_STOP_SECONDS):
            return await self._process.wait()
        raise self.failure(f"did not stop within {_STOP_SECONDS:g} s")


@asynccontextmanager
async def open_collector(
    folder: Path, simulators: list[AnySimulator], nats_url: str
) -> AsyncIterator[Collector]:
    """Start `mprism run` for these exchanges and this broker; it is ended with the block."""
    _write_configuration(folder, simulators)
    process = await trio.lowlevel.open_process(
        # -P: a file of the folder that the demo is run in must not stand for a package.
        [sys.executable, "-P", "-m", "mprism", "run", "--config", str(folder)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(nats_url),
        start_new_session=True,  # Ctrl-C is for the demo, which stops the collector itself
    )
    if process.stderr is None:
        raise TypeError("the process was opened with a pipe")
    collector = Collector(process, process.stderr)
    async with process.stderr, trio.open_nursery() as nursery:
        nursery.start_soon(collector.follow_log)
        try:
            await collector.started()
            yield collector
        finally:
            await _end(process)
        nursery.cancel_scope.cancel()


async def _end(process: trio.Process) -> None:
    if process.returncode is None:
        process.kill()
    with trio.CancelScope(shield=True):
        await process.wait()


def _environment(nats_url: str) -> dict[str, str]:
    """The user's, without what is meant for a collector of the user's."""
    settings = {*VARIABLES, "COLLECTOR_MODE", "MPRISM_CONFIG"}
    inherited = {name: text for name, text in os.environ.items() if name not in settings}
    ports = {"HEALTH_CHECK_PORT": "0", "METRICS_PORT": "0"}
    return {**inherited, **ports, "NATS_URL": nats_url}


def _write_configuration(folder: Path, simulators: list[AnySimulator]) -> None:
    """The configuration that a user would write to collect from these addresses."""
    exchanges = {
        simulator.exchange: {
            "symbols": list(simulator.truth.symbols),
            "websocket_url": simulator.websocket_url,
            "rest_url": simulator.rest_url,
            "polling": POLLING,
        }
        for simulator in simulators
    }
    files: dict[str, Mapping[str, object]] = {
        "collector/unified_data_collection.yaml": {"exchanges": list(exchanges)},
        "logging/logging_config.yaml": {"format": "json"},
        **{f"collector/exchange_configs/{name}.yaml": raw for name, raw in exchanges.items()},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
