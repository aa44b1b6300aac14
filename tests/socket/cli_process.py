"""The command line as a process of its own, in a folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio
import yaml

from mprism.settings import ExchangeSettings
from tests.socket.collector_fixture import EXCHANGE, PATIENCE
from tests.socket.markets import Market

Result = subprocess.CompletedProcess[bytes]

MPRISM = (sys.executable, "-m", "mprism")
_SETTINGS = ("NATS_URL", "NATS_STREAM", "LOG_LEVEL", "HTTP_HOST", "COLLECTOR_MODE", "MPRISM_CONFIG")


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of the collector, any free port, `changes`."""
    plain = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return {**plain, "HEALTH_CHECK_PORT": "0", "METRICS_PORT": "0", **(changes or {})}


def write_config(
    folder: Path, markets: Sequence[Market] = (), files: Mapping[str, object] | None = None
) -> None:
    """`config` in `folder` for these markets; `files` replaces the contents of single ones.

    The names are `collector`, `logging` and those of the exchanges.
    """
    # Of data types each exchange has its own usual ones.
    usual = {**msgspec.to_builtins(ExchangeSettings()), "data_types": None}
    contents: dict[str, object] = {}
    for market in markets:
        # An exchange refuses choices that it has not, the usual ones as well.
        settings = msgspec.to_builtins(market.endpoints(EXCHANGE))
        differing = {key: value for key, value in settings.items() if value != usual[key]}
        contents[market.simulator.exchange] = differing
    contents["collector"] = {"exchanges": [m.simulator.exchange for m in markets]}
    contents["logging"] = {"format": "json"}
    paths = {
        "collector": "collector/unified_data_collection.yaml",
        "logging": "logging/logging_config.yaml",
    }
    for name, content in {**contents, **(files or {})}.items():
        path = folder / "config" / paths.get(name, f"collector/exchange_configs/{name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        path.write_text(text, encoding="utf-8")


async def mprism(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
    """Run a command to its end."""
    with trio.fail_after(2 * PATIENCE):
        return await trio.run_process(
            [*MPRISM, *arguments],
            cwd=folder,
            env=environment(env),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


async def together(*works: Callable[[], Awaitable[Result]]) -> list[Result]:
    """The results of commands that run at the same time."""
    results: dict[int, Result] = {}

    async def run(n: int, work: Callable[[], Awaitable[Result]]) -> None:
        results[n] = await work()

    async with trio.open_nursery() as nursery:
        for n, work in enumerate(works):
            nursery.start_soon(run, n, work)
    return [results[n] for n in range(len(works))]


class Run:
    """`mprism run`, running; made by `open_run`. Its log must be JSON."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.other_lines: list[str] = []
        self.url = ""
        self._news = trio.Event()
        self._over = False

    async def read_log(self) -> None:
        """Read the log until it ends."""
        assert self.process.stderr is not None
        rest = b""
        async for chunk in self.process.stderr:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._note(line)
            self._tell()
        self._over = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _note(self, line: bytes) -> None:
        try:
            self.lines.append(msgspec.json.decode(line))
        except msgspec.DecodeError:
            self.other_lines.append(line.decode())

    async def said(self, event: str, **fields: object) -> dict[str, Any]:
        """The first log line with this event and these fields, as soon as there is one."""
        with trio.move_on_after(PATIENCE):
            while True:
                for line in self.lines:
                    if {"event": event, **fields}.items() <= line.items():
                        return line
                if self._over:
                    break
                await self._news.wait()
        last = "\n".join([*map(str, self.lines[-5:]), *self.other_lines[-5:]])
        raise AssertionError(f"it never said {event!r}; its last lines:\n{last}")

    async def get(self, path: str) -> httpx.Response:
        """What its HTTP interface answers."""
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            return await client.get(self.url + path)

    async def until_ready(self) -> None:
        """Return when it says that it is ready and everything is published."""
        self.url = (await self.said("listening"))["http"]
        with trio.fail_after(PATIENCE):
            while not await self._delivers():  # noqa: ASYNC110 - another process decides
                await trio.sleep(0.05)

    async def _delivers(self) -> bool:
        if (await self.get("/health/ready")).status_code != 200:
            return False
        coverage = (await self.get("/health")).json()["coverage"]
        return bool(coverage) and all(line["published"] for line in coverage)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    async def ended(self, within: float = PATIENCE) -> int:
        """Its exit code, once it has ended and its log was read."""
        with trio.fail_after(within):
            code: int = await self.process.wait()
        await self.said("stopped")
        return code


@asynccontextmanager
async def open_run(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Run]:
    """`mprism run` in `folder`; whatever happens, it is gone at the end."""
    process = await trio.lowlevel.open_process(
        [*MPRISM, "run", *arguments],
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    run = Run(process)
    async with process.stderr, trio.open_nursery() as nursery:
        nursery.start_soon(run.read_log)
        try:
            yield run
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)
        nursery.cancel_scope.cancel()


async def _end(process: trio.Process) -> None:
    """By a signal that lets it stop its server; killed only if it does not end by it."""
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(PATIENCE):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def is_alive(pid: int) -> bool:
    """Whether there is such a process, which may be no child of ours."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
