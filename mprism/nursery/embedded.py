"""A nats-server of the collector's own, on loopback, with its data in a folder.

- The server chooses a free port itself and names it in its log, so nobody can take it in
  between. When the server dies it is started again on the same folder, and on the same port
  as long as that can be had.
- It runs in a session of its own: Ctrl-C in a terminal reaches the collector alone, which
  stops the server after everything that uses it.
- A folder has one collector at a time. Two locks, because a collector can die without its
  server: `collector.lock` is the collector's; `server.lock` is handed to the server, by
  which a server that outlived its collector is found, and stopped by the next one.
"""

import math
import re
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import trio

from mprism.nursery.backoff import Backoff
from mprism.nursery.broker import BrokerError
from mprism.nursery.folder_lock import lock_folder, stop_holder, write_pid
from mprism.nursery.server_binary import find_server_binary

BACKOFF = Backoff(first_seconds=0.2, cap_seconds=5.0)

_START_SECONDS = 60.0  # a large store takes its time to be read
_STOP_SECONDS = 5.0  # for the server to write what it has
_STEADY_SECONDS = 30.0  # whoever ran this long had started well
_PORT_ATTEMPTS = 3  # then somebody else seems to have the port: another one will do
_LINE_BYTES = 65_536
_LISTENING = re.compile(r"Listening for client connections on \S+:(\d+)")
_COMPLAINT = re.compile(r"\[(?:WRN|ERR|FTL)\] (.*)")

log = structlog.get_logger()


class ServerFailedError(BrokerError):
    """The nats-server did not start; the text has its last words."""


class EmbeddedServer:
    """A server that is kept running; made by `open_embedded`."""

    def __init__(self, folder: Path, binary: Path, backoff: Backoff, hurry: trio.Event) -> None:
        self.data_folder = folder
        self.pid: int | None = None  # None while it does not run
        self.starts = 0  # times that it became ready
        self._binary = binary
        self._backoff = backoff
        self._hurry = hurry
        self._port = -1  # the server chooses
        self._ends = 0  # in a row, after short lives
        self._failed_starts = 0  # in a row
        self._last_words: deque[str] = deque(maxlen=5)

    @property
    def url(self) -> str:
        """Where it listens; it can change only when the server is started again."""
        return f"nats://127.0.0.1:{self._port}"

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Keep a server running. Says that it has started when the first one is ready.

        Raises ServerFailedError when that does not become ready. Later ones are tried for ever.
        """
        while True:
            began = trio.current_time()
            try:
                await self._run_once(task_status)
            except ServerFailedError:
                if not self.starts:
                    raise
                self._failed_starts += 1
            if trio.current_time() - began > _STEADY_SECONDS:
                self._ends = 0
            delay = self._backoff.delay(self._ends)
            self._ends += 1
            log.error(
                "embedded nats-server ended, starting it again",
                folder=str(self.data_folder),
                last_words=list(self._last_words),
                delay_seconds=round(delay, 3),
            )
            await trio.sleep(delay)

    async def _run_once(self, task_status: trio.TaskStatus[None]) -> None:
        """One server, from its start to its end."""
        port = -1 if self._failed_starts >= _PORT_ATTEMPTS else self._port
        command = [str(self._binary), "--jetstream", "--store_dir", str(self.data_folder)]
        with lock_folder(self.data_folder, "server.lock") as lock:
            process = await trio.lowlevel.open_process(
                [*command, "--addr", "127.0.0.1", "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=(lock,),
            )
            write_pid(lock, process.pid)
            try:
                await self._follow(process, task_status)
            finally:
                self.pid = None
                await _stop(process, self._hurry)

    async def _follow(self, process: trio.Process, task_status: trio.TaskStatus[None]) -> None:
        """Read the log of the server until it ends with the server."""
        assert process.stderr is not None  # noqa: S101 - it was opened as a pipe
        ready = False
        with trio.move_on_after(_START_SECONDS) as waiting:
            async for line in _lines(process.stderr):
                self._last_words.append(line)
                if listening := _LISTENING.search(line):
                    self._port = int(listening[1])
                if complaint := _COMPLAINT.search(line):
                    log.warning("nats-server complains", text=complaint[1])
                if not ready and "Server is ready" in line:
                    ready = True
                    waiting.deadline = math.inf
                    self._note_ready(process.pid, task_status)
        if waiting.cancelled_caught:
            raise ServerFailedError(f"nats-server was not ready within {_START_SECONDS:g} s")
        if not ready:
            words = " / ".join(self._last_words) or "without a word"
            raise ServerFailedError(f"nats-server did not start: {words}")

    def _note_ready(self, pid: int, task_status: trio.TaskStatus[None]) -> None:
        self.pid = pid
        self.starts += 1
        self._failed_starts = 0
        log.info("embedded nats-server ready", url=self.url, folder=str(self.data_folder), pid=pid)
        if self.starts == 1:
            task_status.started()


@asynccontextmanager
async def open_embedded(
    folder: str | Path,
    *,
    binary: Path | None = None,
    backoff: Backoff = BACKOFF,
    hurry: trio.Event | None = None,
) -> AsyncIterator[EmbeddedServer]:
    """A server with its data in `folder`, which is made if need be; stopped at the end.

    Once `hurry` is set it gets no time to end by itself.

    Raises BrokerError: NoServerBinaryError, FolderInUseError or ServerFailedError; OSError
    when the folder cannot be made or written to.
    """
    binary = binary or find_server_binary()
    folder = _made(folder)
    failure: ServerFailedError | None = None
    with lock_folder(folder, "collector.lock"):
        await stop_holder(folder, "server.lock", binary.name)
        server = EmbeddedServer(folder, binary, backoff, trio.Event() if hurry is None else hurry)
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(server.run)
            except ServerFailedError as error:
                failure = error
            else:
                try:
                    yield server
                finally:
                    nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure  # as it is, not in the group that the nursery would make of it


def _made(folder: str | Path) -> Path:
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


async def _stop(process: trio.Process, hurry: trio.Event) -> None:
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            process.terminate()
            with trio.move_on_after(_STOP_SECONDS):
                await _ended_or(process, hurry)
        if process.returncode is None:
            process.kill()
            await process.wait()
        if process.stderr is not None:
            await process.stderr.aclose()


async def _ended_or(process: trio.Process, hurry: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def wait_for(end: Callable[[], Awaitable[object]]) -> None:
            await end()
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait_for, process.wait)
        nursery.start_soon(wait_for, hurry.wait)


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[str]:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
        rest = rest[-_LINE_BYTES:]
