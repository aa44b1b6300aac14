"""Files, environment and command line become settings, in their order."""

from pathlib import Path
from typing import get_args

import pytest

from mprism.configuration import (
    COLLECTOR_FILE,
    EXCHANGE_FOLDER,
    LOGGING_FILE,
    ConfigurationError,
    Override,
    environment_overrides,
    in_force,
    load,
    mask,
)
from mprism.settings import (
    BackoffSettings,
    ExchangeName,
    ExchangeSettings,
    NatsSettings,
    OrderBookSettings,
    Settings,
)

SPOT_FILE = EXCHANGE_FOLDER / "binance_spot.yaml"
EXCHANGES: tuple[ExchangeName, ...] = get_args(ExchangeName)


class Folder:
    """A configuration folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: Path | str, text: str) -> "Folder":
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return self

    def load(self, *overrides: Override) -> Settings:
        return load(self.path, list(overrides))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_no_file_is_needed(folder: Folder) -> None:
    assert folder.load() == Settings()
    assert list(folder.load().exchanges) == list(EXCHANGES)


def test_the_default_folder_is_config_where_there_is_one(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path)
    assert load(None, []) == Settings()
    folder.write("config" / COLLECTOR_FILE, "http: {port: 1}")
    assert load(None, []).http.port == 1


def test_the_files_of_the_project_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert load(None, []) == Settings()


def test_a_folder_that_is_asked_for_must_exist(tmp_path: Path) -> None:
    for missing in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="no such configuration folder") as caught:
            load(missing, [])
        assert str(caught.value).startswith(f"{missing}: ")


def test_files_override_defaults(folder: Folder) -> None:
    folder.write(
        COLLECTOR_FILE,
        """
        system: {stop_timeout_seconds: 5}
        nats:
          url: nats://broker:4222
          stream: {name: OTHER, max_age_seconds: 60}
        http: {host: 0.0.0.0, port: 0}
        exchanges: [binance_derivatives]
        """,
    )
    folder.write(LOGGING_FILE, "{level: DEBUG, format: json}")
    settings = folder.load()
    assert settings.system.stop_timeout_seconds == 5
    assert settings.system.channel_size == 16
    assert settings.nats.url == "nats://broker:4222"
    assert (settings.nats.stream.name, settings.nats.stream.max_age_seconds) == ("OTHER", 60)
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 0)
    assert (settings.logging.level, settings.logging.format) == ("DEBUG", "json")
    assert list(settings.exchanges) == ["binance_derivatives"]


def test_an_exchange_has_its_own_file_over_the_defaults_of_all(folder: Folder) -> None:
    folder.write(
        COLLECTOR_FILE,
        """
        defaults:
          symbols: [BTC-USDT, ETH-USDT, SOL-USDT]
          data_types: [trade]
          orderbook: {depth: 50, mode: snapshots}
          backoff: {cap_seconds: 7}
        """,
    )
    folder.write(
        SPOT_FILE,
        """
        symbols: [BTC-USDT]
        rest_url: http://127.0.0.1:1
        orderbook: {depth: 60}
        """,
    )
    others = ExchangeSettings(
        symbols=("BTC-USDT", "ETH-USDT", "SOL-USDT"),
        data_types=("trade",),
        orderbook=OrderBookSettings(depth=50, mode="snapshots"),
        backoff=BackoffSettings(cap_seconds=7),
    )
    assert folder.load().exchanges == {
        **dict.fromkeys(EXCHANGES, others),
        "binance_spot": ExchangeSettings(
            symbols=("BTC-USDT",),
            data_types=("trade",),
            rest_url="http://127.0.0.1:1",
            orderbook=OrderBookSettings(depth=60, mode="snapshots"),
            backoff=BackoffSettings(cap_seconds=7),
        ),
    }


def test_environment_overrides_files_and_the_command_line_both(folder: Folder) -> None:
    folder.write(COLLECTOR_FILE, "{nats: {url: nats://file}, http: {port: 1, metrics_port: 2}}")
    environment = environment_overrides({"NATS_URL": "nats://environment", "METRICS_PORT": "20"})
    settings = folder.load(*environment)
    assert settings.nats.url == "nats://environment"
    assert (settings.http.port, settings.http.metrics_port) == (1, 20)
    option = Override("option --nats-url", "nats.url", "nats://option")
    settings = folder.load(*environment, option)
    assert settings.nats.url == "nats://option"
    assert (settings.http.port, settings.http.metrics_port) == (1, 20)


def test_every_variable_sets_what_its_name_says(folder: Folder) -> None:
    environment = {
        "NATS_URL": "nats://a:1,tls://b",
        "NATS_STREAM": "S-1",
        "LOG_LEVEL": "ERROR",
        "HTTP_HOST": "::1",
        "HEALTH_CHECK_PORT": "0",
        "METRICS_PORT": "65535",
        "PATH": "/bin",
    }
    settings = folder.load(*environment_overrides(environment))
    assert settings.nats.url == "nats://a:1,tls://b"
    assert settings.nats.stream.name == "S-1"
    assert settings.logging.level == "ERROR"
    assert settings.http.host == "::1"
    assert (settings.http.port, settings.http.metrics_port) == (0, 65535)


def test_an_empty_variable_is_not_set() -> None:
    assert environment_overrides({"NATS_URL": "", "LOG_LEVEL": ""}) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "# nothing\n",
        "{}",
        "nats:\nhttp:\nexchanges:\n",
        "nats:\n  stream:\n",
        "nats:\n  url:\n  stream:\n    name:\n",
        "defaults:\n  orderbook:\n    # mode: snapshots\n  backoff:\n",
    ],
)
def test_sections_without_keys_are_as_good_as_absent(folder: Folder, text: str) -> None:
    assert folder.write(COLLECTOR_FILE, text).load() == Settings()


def test_an_empty_section_of_an_exchange_leaves_the_defaults(folder: Folder) -> None:
    folder.write(COLLECTOR_FILE, "defaults: {orderbook: {depth: 7}}")
    folder.write(SPOT_FILE, "orderbook:\n  depth:\nsymbols: [BTC-USDT]\n")
    assert folder.load().exchanges["binance_spot"].orderbook.depth == 7


def test_merge_keys_and_anchors_work(folder: Folder) -> None:
    folder.write(SPOT_FILE, "orderbook: {<<: &own {depth: 9, rest_levels: 10}, depth: 8}")
    assert folder.load().exchanges["binance_spot"].orderbook == OrderBookSettings(
        depth=8, rest_levels=10
    )


@pytest.mark.parametrize("name", ["okx.yaml", "binance_spot.yml", "binance.yaml", "x.yeml"])
def test_a_file_of_no_exchange_is_refused(folder: Folder, name: str) -> None:
    folder.write(EXCHANGE_FOLDER / name, "")
    with pytest.raises(ConfigurationError) as caught:
        folder.load()
    assert str(caught.value) == (
        f"{folder.path / EXCHANGE_FOLDER / name}: no such exchange; "
        "allowed: binance_spot.yaml, binance_derivatives.yaml, okx_spot.yaml, "
        "okx_derivatives.yaml, deribit_derivatives.yaml"
    )


def test_other_files_beside_an_exchanges_are_left_alone(folder: Folder) -> None:
    folder.write(EXCHANGE_FOLDER / "README.md", "").write(EXCHANGE_FOLDER / "a.yaml.bak", "")
    assert folder.load() == Settings()


def test_a_depth_that_the_exchange_cannot_keep_is_refused(folder: Folder) -> None:
    folder.write(SPOT_FILE, "orderbook: {depth: 2000}")
    with pytest.raises(ConfigurationError) as caught:
        folder.load()
    assert str(caught.value).startswith(
        f"{folder.path / SPOT_FILE}: orderbook.depth: 2000 levels cannot be kept"
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nats://host:4222", "nats://host:4222"),
        ("nats://user:secret@host:4222", "nats://***@host:4222"),
        ("nats://token@host", "nats://***@host"),
        ("tls://u:s@a,nats://b,nats://u:s@c", "tls://***@a,nats://b,nats://***@c"),
        ("nats://u:se/cr@et@host", "nats://***@host"),
        ("nats://u:s,t@host", "nats://***@host"),
        ("nats://u:s t@host", "nats://***@host"),
        ("user:secret@host", "***@host"),
        ("nats:/user:secret@host", "***@host"),
        ("a:s@b,nats://c:s@d", "***@b,nats://***@d"),
        ("nats://a,c:s@d", "nats://***@d"),
        ("/some/folder", "/some/folder"),
        ("", ""),
    ],
)
def test_credentials_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_the_settings_in_force_are_plain_and_masked() -> None:
    settings = Settings(
        nats=NatsSettings(url='nats://u:"s{}@a,nats://u:s@b'),
        exchanges={"binance_spot": ExchangeSettings(rest_url="http://u:s@proxy/")},
    )
    plain = in_force(settings)
    assert plain["nats"]["url"] == "nats://***@a,nats://***@b"  # type: ignore[index]
    assert plain["exchanges"]["binance_spot"]["rest_url"] == "http://***@proxy/"  # type: ignore[index]
    assert plain["exchanges"]["binance_spot"]["symbols"] == ["BTC-USDT", "ETH-USDT"]  # type: ignore[index]
    assert plain["http"]["port"] == 8086  # type: ignore[index]
    assert set(plain) == {"system", "nats", "http", "logging", "exchanges"}
