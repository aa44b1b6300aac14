"""The collector's own nats-server: started, kept running, stopped, and one to a folder."""

import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from mprism.nursery import embedded as embedded_module
from mprism.nursery import folder_lock
from mprism.nursery.backoff import Backoff
from mprism.nursery.embedded import EmbeddedServer, ServerFailedError, open_embedded
from mprism.nursery.folder_lock import FolderInUseError, lock_folder
from mprism.nursery.jetstream import open_connection, open_loop
from mprism.nursery.server_binary import find_server_binary
from mprism.nursery.stream import stream_info
from tests.socket.nats_fixture import both_servers
from tests.socket.publishing import open_publishing

QUICK = Backoff(first_seconds=0.02, cap_seconds=0.1)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await trio.sleep(0.005)


def runs(pid: int) -> bool:
    """Not one that has ended and that nobody has asked about yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def pid_of(server: EmbeddedServer) -> int:
    assert server.pid is not None
    return server.pid


async def held(server: EmbeddedServer) -> int:
    async with open_loop(), open_connection(server.url, connect_timeout=5) as connection:
        info = await stream_info(connection, "MARKET_DATA")
        assert info is not None
        return info.state.messages


@both_servers
async def test_it_listens_on_loopback_and_ends_with_its_scope(tmp_path: Path, binary: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    async with open_embedded(folder, binary=binary) as server:
        pid = pid_of(server)
        assert server.url.startswith("nats://127.0.0.1:")
        assert server.data_folder == folder
        async with open_publishing(lambda: (server.url,)) as publishing:
            await publishing.load(10)
        assert await held(server) == 60
    assert not runs(pid)
    async with open_embedded(folder, binary=binary) as server:
        assert await held(server) == 60


@both_servers
async def test_a_killed_server_comes_back_on_the_same_address_with_its_data(
    tmp_path: Path, binary: Path
) -> None:
    async with open_embedded(tmp_path, binary=binary, backoff=QUICK) as server:
        url = server.url
        async with (
            open_publishing(lambda: (server.url,)) as publishing,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(publishing.load_for_ever)
            for starts in (2, 3):
                await publishing.until_acknowledged(500)
                os.kill(pid_of(server), signal.SIGKILL)
                await until(lambda starts=starts: server.starts == starts)  # type: ignore[misc]
            await publishing.until_acknowledged(500)
            nursery.cancel_scope.cancel()
        assert server.url == url
        assert not publishing.state.dropped
        async with open_loop():
            await publishing.compare(server.url)
    told = [line for line in publishing.logs if "starting it again" in line["event"]]
    assert len(told) == 2
    assert told[0]["folder"] == str(tmp_path)


async def test_a_server_whose_port_was_taken_finds_another(tmp_path: Path) -> None:
    patient = Backoff(first_seconds=0.2, cap_seconds=0.2, uniform=lambda: 1.0)
    async with open_embedded(tmp_path, backoff=patient) as server:
        url = server.url
        os.kill(pid_of(server), signal.SIGKILL)
        [listener] = await take_port(int(url.rpartition(":")[2]))
        async with listener:
            await until(lambda: server.starts == 2)
        assert server.url != url
        async with open_loop(), open_connection(server.url, connect_timeout=5):
            pass


async def take_port(port: int) -> list[trio.SocketListener]:
    with trio.fail_after(10):
        while True:
            try:
                return await trio.open_tcp_listeners(port, host="127.0.0.1")
            except OSError:
                await trio.lowlevel.checkpoint()


async def test_a_second_collector_is_refused_with_folder_and_process(tmp_path: Path) -> None:
    async with open_embedded(tmp_path) as first:
        with pytest.raises(FolderInUseError) as refused:
            async with open_embedded(tmp_path):
                pass
        assert str(tmp_path) in str(refused.value)
        assert refused.value.pid == os.getpid()
        assert first.pid is not None
        assert runs(first.pid)


@pytest.mark.parametrize("paused", [False, True])
async def test_a_server_that_outlived_its_collector_is_stopped_by_the_next(
    tmp_path: Path, paused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, sys, trio\n"
        "from mprism.nursery.embedded import open_embedded\n"
        "async def main():\n"
        "    async with open_embedded(sys.argv[1]) as server:\n"
        "        print(server.pid, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "trio.run(main)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
    orphan = int(done.stdout.split()[-1])
    assert runs(orphan)
    if paused:
        monkeypatch.setattr(folder_lock, "_TERM_SECONDS", 0.1)
        os.kill(orphan, signal.SIGSTOP)
    async with open_embedded(tmp_path) as server:
        assert pid_of(server) != orphan
        assert not runs(orphan)


async def test_a_folder_used_by_something_else_is_left_alone(tmp_path: Path) -> None:
    with lock_folder(tmp_path, "server.lock"), pytest.raises(FolderInUseError) as refused:
        async with open_embedded(tmp_path):
            pass
    assert refused.value.pid == os.getpid()


async def test_it_is_out_of_reach_of_the_terminal(tmp_path: Path) -> None:
    async with open_embedded(tmp_path) as server:
        assert os.getsid(pid_of(server)) != os.getsid(0)


async def test_a_server_that_does_not_listen_to_reason_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "_STOP_SECONDS", 0.1)
    async with open_embedded(tmp_path) as server:
        pid = pid_of(server)
        os.kill(pid, signal.SIGSTOP)
    assert not runs(pid)


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = program(tmp_path / "nats-server", 'echo "[1] [FTL] no room" >&2; exit 1')
    with pytest.raises(ServerFailedError, match="no room"):
        async with open_embedded(tmp_path / "data", binary=broken):
            pass


async def test_a_server_that_never_gets_ready_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "_START_SECONDS", 0.2)
    silent = program(tmp_path / "nats-server", "exec sleep 60")
    with pytest.raises(ServerFailedError, match="not ready within"):
        async with open_embedded(tmp_path / "data", binary=silent):
            pass


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        async with open_embedded(tmp_path / "file" / "data"):
            pass


async def test_it_can_be_cancelled_while_it_starts(tmp_path: Path) -> None:
    silent = program(tmp_path / "nats-server", "exec sleep 60")
    with trio.move_on_after(0.2) as scope:
        async with open_embedded(tmp_path / "data", binary=silent):
            pass
    assert scope.cancelled_caught
    async with open_embedded(tmp_path / "data", binary=find_server_binary()):
        pass
