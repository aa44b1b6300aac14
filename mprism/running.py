"""What the commands run: the collector, its check, a replay."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import click
import msgspec
import trio

from mprism import __version__
from mprism.check import Finding, check_settings
from mprism.configuration import in_force
from mprism.exits import discard_output, guarded
from mprism.feeds.registry import VENUES
from mprism.nursery.root import publish_all, run_until_signal
from mprism.recording import read_recording
from mprism.replay import Replay, Summary
from mprism.schema import Event, MessageEncoder
from mprism.settings import DEFAULTS, ExchangeName, Settings
from mprism.state import CollectorState


def collect(settings: Settings) -> int:
    """Run the collector until a signal."""
    state = CollectorState(version=__version__, configuration=in_force(settings))
    return guarded(lambda: trio.run(run_until_signal, settings, state))


def print_check(settings: Settings) -> int:
    """Print what would run and what is wrong; the worst finding is the exit code."""

    def tell(finding: Finding) -> None:
        click.echo(finding.line, err=bool(finding.exit_code))

    return guarded(lambda: trio.run(partial(check_settings, settings, tell)))


def replay_file(
    settings: Settings, file: Path, exchange: str | None, depth: int | None, *, to_nats: bool
) -> int:
    """Replay a recording to standard output or into the stream.

    `exchange` is one that the recording is of; None means all of them. `depth` is how many
    levels a side snapshots show, instead of what is configured.
    """
    names = get_args(ExchangeName)
    if exchange is not None and exchange not in names:
        click.echo(f"mprism: --exchange: {exchange!r}: allowed: {', '.join(names)}", err=True)
        return 2
    wanted = []
    for name in VENUES if exchange is None else (exchange,):
        venue = VENUES[name]  # type: ignore[index]  # one of the names
        venue_settings = settings.exchanges.get(name, DEFAULTS[name])  # type: ignore[index,call-overload]
        if depth is not None:
            book = msgspec.structs.replace(venue_settings.orderbook, depth=depth)
            venue_settings = msgspec.structs.replace(venue_settings, orderbook=book)
            if exchange is not None and (problem := venue.check(venue_settings)):
                click.echo(f"mprism: --depth: {problem}", err=True)
                return 2
        wanted.append((venue, venue_settings))
    replay = Replay(wanted)
    actions = replay.run(read_recording(file))
    summary = Summary()
    events = summary.passing(actions)
    if to_nats:
        code = guarded(lambda: trio.run(_store, settings, events))
    else:
        code = guarded(lambda: _print(events))
    for line in summary.lines():
        click.echo(line, err=True)
    for instrument_id in replay.unanswered:
        click.echo(f"{instrument_id}: no snapshot for its book in the recording", err=True)
    return code


def _print(events: Iterator[Event]) -> int:
    encode, output = MessageEncoder().encode, sys.stdout.buffer
    for event in events:
        payload = encode(event).payload
        try:
            output.write(payload + b"\n")
        except OSError as error:
            return _unwritten(error)
    try:
        output.flush()
    except OSError as error:
        return _unwritten(error)
    return 0


def _unwritten(error: OSError) -> int:
    """Standard output takes no more. The exit code."""
    discard_output()
    if isinstance(error, BrokenPipeError):
        return 0  # the reader has seen enough, as `head` does
    click.echo(f"mprism: standard output: {error.strerror}", err=True)
    return 1


async def _store(settings: Settings, events: Iterator[Event]) -> int:
    state = CollectorState(version=__version__, configuration={})
    await publish_all(settings, state, events)
    lost = sum(state.publisher.dropped.values())
    click.echo(f"stored {state.publisher.acknowledged} messages, lost {lost}", err=True)
    return 1 if lost else 0
