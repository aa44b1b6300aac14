"""Locks on files of a folder, which name the process that holds them."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import trio

from mprism.nursery.broker import BrokerError

_TERM_SECONDS = 5.0
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.02

log = structlog.get_logger()


class FolderInUseError(BrokerError):
    """Another process uses the folder; `pid` is its id, None when that is not known."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.pid = pid
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"the data folder {folder} is in use by {who}")


@contextmanager
def lock_folder(folder: Path, name: str) -> Iterator[int]:
    """Hold the lock `name` of `folder`: a file descriptor, which can be handed to a child.

    Raises FolderInUseError at once when it is held. The lock ends with the last process that
    has the descriptor.
    """
    path = folder / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(folder, _pid_in(path)) from None
        write_pid(descriptor, os.getpid())
        yield descriptor
    finally:
        os.close(descriptor)


def write_pid(descriptor: int, pid: int) -> None:
    """Note in a held lock which process it is now for."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{pid}\n".encode(), 0)


async def stop_holder(folder: Path, name: str, program: str) -> None:
    """Stop the process that holds the lock `name` of `folder`, if it is a `program`.

    Raises FolderInUseError when the holder is something else, or does not end.
    """
    for stop, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        try:
            with lock_folder(folder, name):
                return
        except FolderInUseError as held:
            if held.pid is None or not _runs(held.pid, program):
                raise
            log.warning("stopping a left-over process", program=program, pid=held.pid)
            os.kill(held.pid, stop)
        with trio.move_on_after(seconds):
            while _is_held(folder, name):  # noqa: ASYNC110 - nothing tells when a lock is free
                await trio.sleep(_POLL_SECONDS)
    with lock_folder(folder, name):
        return


def _is_held(folder: Path, name: str) -> bool:
    try:
        with lock_folder(folder, name):
            return False
    except FolderInUseError:
        return True


def _runs(pid: int, program: str) -> bool:
    """Whether process `pid` runs `program`. False where that cannot be seen."""
    try:
        # An upgrade leaves the running program without its file, which shows in the name.
        return Path(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")).name == program
    except OSError:
        return False


def _pid_in(path: Path) -> int | None:
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None
