"""A real nats-server for tests, which can be killed, paused and started again."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from mprism.nursery.server_binary import find_server_binary

CURRENT = find_server_binary()
OLD = Path(sys.prefix) / "nats-2.10" / "bin" / "nats-server"  # before fast ingest

both_servers = pytest.mark.parametrize(
    "binary",
    [
        pytest.param(CURRENT, id="fast-ingest"),
        pytest.param(
            OLD,
            id="message-acks",
            marks=pytest.mark.skipif(not OLD.exists(), reason=f"no older nats-server at {OLD}"),
        ),
    ],
)


class NatsServer:
    """One server; made by `open_nats`."""

    def __init__(self, folder: Path, binary: Path, arguments: Sequence[str]) -> None:
        self._folder = folder
        self._binary = binary
        self.arguments = arguments  # for the next start
        self._port = -1
        self._starts = 0
        self._process: trio.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def urls(self) -> tuple[str]:
        return (self.url,)

    async def start(self) -> None:
        """On the same folder, and after the first time on the same port."""
        self._starts += 1
        log = self._folder / f"log-{self._starts}.txt"
        with log.open("wb") as stderr:
            self._process = await trio.lowlevel.open_process(
                [
                    str(self._binary),
                    *("--jetstream", "--store_dir", str(self._folder)),
                    *("--addr", "127.0.0.1", "--port", str(self._port)),
                    *self.arguments,
                ],
                stderr=stderr,
            )
        with trio.fail_after(20):
            while "Server is ready" not in (text := log.read_text()):
                assert self._process.poll() is None, text
                await trio.sleep(0.005)
        listening = text.partition("client connections on 127.0.0.1:")[2]
        self._port = int(listening.split()[0])

    async def kill(self) -> None:
        """As a power cut for the process: SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        if self._process is not None:
            self.resume()
            await self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It keeps its connections and does nothing: SIGSTOP. Returns when it stands still."""
        pid = self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> int:
        assert self._process is not None
        os.kill(self._process.pid, number)
        return self._process.pid

    async def _end(self, number: int) -> None:
        process, self._process = self._process, None
        assert process is not None
        with trio.CancelScope(shield=True):
            process.send_signal(number)
            with trio.move_on_after(10):
                await process.wait()
            process.kill()
            await process.wait()


@asynccontextmanager
async def open_nats(
    folder: Path, binary: Path = CURRENT, *, arguments: Sequence[str] = (), start: bool = True
) -> AsyncIterator[NatsServer]:
    """A server with its data in `folder`; not yet running unless `start`."""
    server = NatsServer(folder, binary, arguments)
    try:
        if start:
            await server.start()
        yield server
    finally:
        await server.stop()
