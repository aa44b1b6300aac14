"""The commands. Exit codes: 0 after what was asked for, 2 bad configuration or usage, 1 a failure.

What a command needs is imported when it runs, so that `mprism health` starts fast.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mprism import __version__

if TYPE_CHECKING:
    from mprism.configuration import Override
    from mprism.settings import Settings

# Options that override one setting each: parameter -> (option, setting, help).
_OVERRIDES = {
    "nats_url": ("--nats-url", "nats.url", "Broker; without one, an embedded server is started."),
    "nats_stream": ("--nats-stream", "nats.stream.name", "JetStream stream."),
    "log_level": ("--log-level", "logging.level", "DEBUG, INFO, WARNING or ERROR."),
    "http_host": ("--http-host", "http.host", "Address of health, status and metrics."),
    "http_port": ("--health-port", "http.port", "Port of health and status; 0 takes any."),
    "metrics_port": ("--metrics-port", "http.metrics_port", "Port of metrics; 0 takes any."),
}


def fail(code: int, text: str) -> NoReturn:
    """Say what is wrong and end the process."""
    click.echo(f"mprism: {text}", err=True)
    sys.exit(code)


def configured(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the configuration, and the settings that come of them."""

    @wraps(function)
    def command(config: Path | None, **options: Any) -> None:  # noqa: ANN401
        from mprism.configuration import Override

        texts = {key: options.pop(key) for key in _OVERRIDES}
        overrides = [
            Override(f"option {option}", setting, texts[key])
            for key, (option, setting, _) in _OVERRIDES.items()
            if texts[key] is not None
        ]
        function(_settings(config, overrides), **options)

    for key, (option, _, text) in reversed(_OVERRIDES.items()):
        command = click.option(option, key, metavar="VALUE", help=text)(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar="MPRISM_CONFIG",
        metavar="FOLDER",
        help="Configuration folder [MPRISM_CONFIG; default: config, if there is one].",
    )(command)


def _settings(folder: Path | None, overrides: "list[Override]") -> "Settings":
    from mprism.configuration import ConfigurationError, environment_overrides, load

    try:
        return load(folder, [*environment_overrides(os.environ), *overrides])
    except ConfigurationError as error:
        fail(2, str(error))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mprism")
def main() -> None:
    """Collects public market data and stores it, in order and once, in NATS JetStream."""


@main.command()
@configured
def run(settings: "Settings") -> None:
    """Collect until SIGINT or SIGTERM; a second signal ends at once.

    With COLLECTOR_MODE=check it does what `mprism check` does.
    """
    from mprism.logs import configure_logging
    from mprism.running import collect, print_check

    match os.environ.get("COLLECTOR_MODE") or "launcher":
        case "launcher":
            configure_logging(settings.logging)
            sys.exit(collect(settings))
        case "check":
            sys.exit(print_check(settings))
        case mode:
            fail(2, f"environment variable COLLECTOR_MODE: {mode!r}: allowed: launcher, check")


@main.command()
@configured
def check(settings: "Settings") -> None:
    """Print what would run, and try the exchanges and the broker. Changes nothing."""
    from mprism.running import print_check

    sys.exit(print_check(settings))


@main.command()
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option(
    "--exchange",
    metavar="NAME",
    help="One exchange of the recording [default: all that it is of].",
)
@click.option(
    "--output",
    default="-",
    show_default=True,
    metavar="-|nats",
    type=click.Choice(["-", "nats"]),
    help="JSON lines on standard output, or the stream.",
)
@click.option(
    "--depth",
    type=click.IntRange(1, 5_000),
    metavar="LEVELS",
    help="Levels a side of the snapshots [default: as configured].",
)
@configured
def replay(
    settings: "Settings", file: Path, exchange: str | None, output: str, depth: int | None
) -> None:
    """Turn a recording into the messages that it would have become."""
    from mprism.logs import configure_logging
    from mprism.running import replay_file

    configure_logging(settings.logging)
    sys.exit(replay_file(settings, file, exchange, depth, to_nats=output == "nats"))


@main.command()
@click.option("--url", metavar="URL", help="Where the collector answers [default: as configured].")
@configured
def health(settings: "Settings", url: str | None) -> None:
    """Ask a running collector how it is: exit code 0 when healthy or degraded, else 1."""
    from mprism.http.probe import probe, url_of

    result = probe(url or url_of(settings.http))
    click.echo(result.line, err=result.exit_code != 0)
    sys.exit(result.exit_code)


@main.command()
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=30, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the market model.")
@click.option(
    "--rate",
    type=click.FloatRange(10, 20_000),
    default=1_000,
    show_default=True,
    help="Messages a second of each exchange.",
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="JSON file.")
@click.option("--faults/--no-faults", default=True, show_default=True, help="Break things.")
@click.option(
    "--nats-server",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another nats-server program than the embedded one.",
)
def demo(**options: Any) -> None:  # noqa: ANN401
    """Run the collector against simulated exchanges and compare what it stored with the truth."""
    from mprism.demo import run_demo

    report: Path | None = options["report"]
    if report is not None and not os.access(report.absolute().parent, os.W_OK):
        fail(2, f"option --report: {report}: no such folder, or not writable")
    sys.exit(run_demo(**options))
