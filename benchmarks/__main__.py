"""The command: `python -m benchmarks [--frames N] [--only NAME]... [--json FILE]`."""

import sys
from pathlib import Path

import click
import msgspec

from benchmarks.measurement import STAGES
from benchmarks.process import StageFailed
from benchmarks.report import lines
from benchmarks.run import run
from mprism.logs import configure_logging
from mprism.settings import LoggingSettings

PARTS = ("steps", "normalise", *STAGES, "paced")


@click.command()
@click.option(
    "--frames",
    type=click.IntRange(1_000, 2_000_000),
    default=50_000,
    show_default=True,
    help="How many frames each stage gets in a round.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="How often each stage is measured, in turns; the best counts.",
)
@click.option(
    "--only",
    type=click.Choice(PARTS),
    multiple=True,
    help="Measure only this; may be repeated.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all figures to this file.",
)
def main(frames: int, rounds: int, only: tuple[str, ...], file: Path | None) -> None:
    """Measure the way of a message. Fails when something is lost or wrong, never when slow."""
    configure_logging(LoggingSettings(level="ERROR"))
    try:
        report = run(frames, rounds, frozenset(only or PARTS), click.echo)
    except* StageFailed as failures:
        raise SystemExit("; ".join(map(str, failures.exceptions))) from None
    for line in lines(report):
        click.echo(line)
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    sys.exit(1 if report.losses else 0)


main()
