"""How a command ends: expected failures become a line and an exit code, bugs go through."""

import os
import sys
from collections.abc import Callable, Iterator

import click

from mprism.feeds.errors import UnknownSymbol
from mprism.http.server import ListenError
from mprism.nursery.broker import BrokerError
from mprism.nursery.server_binary import NoServerBinaryError
from mprism.recording import RecordingError


class CollectorFailed(Exception):
    """A collector that this command started has ended or did not start."""


# What the world outside can do to a command, with the exit code that it gets. The first match
# counts.
_EXIT_CODES: dict[type[Exception], int] = {
    CollectorFailed: 1,
    UnknownSymbol: 2,
    NoServerBinaryError: 2,
    RecordingError: 2,
    ListenError: 1,
    BrokerError: 1,
}


def discard_output() -> None:
    """Nobody reads standard output any more: Python would complain once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def guarded(work: Callable[[], int]) -> int:
    """The exit code of `work`; expected failures become a line each, bugs go through."""
    code = 0

    def tell(group: BaseExceptionGroup[Exception]) -> None:
        nonlocal code
        for error in _leaves(group):
            click.echo(f"mprism: {error}", err=True)
            code = max(code, next(n for kind, n in _EXIT_CODES.items() if isinstance(error, kind)))

    try:
        code = work()
    except* tuple(_EXIT_CODES) as group:
        tell(group)
    except* BrokenPipeError:
        discard_output()
        code = 1
    except* KeyboardInterrupt:
        click.echo("mprism: interrupted", err=True)
        code = 1
    return code


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
