"""Reads the configuration: command line over environment over files over defaults.

Whatever is wrong is refused before anything starts, naming the file or variable, the path in
it, the value and what is allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from mprism.configuration.addresses import address_problem
from mprism.configuration.conversion import ConfigurationError, convert, convert_text
from mprism.configuration.exchanges import (
    COLLECTOR_FILE,
    EXCHANGE_FOLDER,
    Raw,
    load_exchanges,
    overlaid,
)
from mprism.configuration.secrets import mask, masked
from mprism.configuration.yaml_file import read_yaml
from mprism.settings import (
    ExchangeName,
    ExchangeSettings,
    HttpSettings,
    LoggingSettings,
    NatsSettings,
    Settings,
    SystemSettings,
)

DEFAULT_FOLDER = Path("config")
LOGGING_FILE = Path("logging/logging_config.yaml")

# Environment variable -> the setting that it overrides.
VARIABLES: dict[str, str] = {
    "NATS_URL": "nats.url",
    "NATS_STREAM": "nats.stream.name",
    "NATS_STREAM_MAX_BYTES": "nats.stream.max_bytes",
    "LOG_LEVEL": "logging.level",
    "HTTP_HOST": "http.host",
    "HEALTH_CHECK_PORT": "http.port",
    "METRICS_PORT": "http.metrics_port",
}


class CollectorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`collector/unified_data_collection.yaml`. `defaults` are for every exchange."""

    system: SystemSettings = SystemSettings()
    nats: NatsSettings = NatsSettings()
    http: HttpSettings = HttpSettings()
    defaults: ExchangeSettings = ExchangeSettings()
    exchanges: tuple[ExchangeName, ...] = get_args(ExchangeName)


@dataclass(frozen=True, slots=True)
class Override:
    """One setting from the command line or the environment. `source` is for messages."""

    source: str
    path: str
    text: str


def environment_overrides(environment: Mapping[str, str]) -> list[Override]:
    """What the environment sets. An empty variable counts as not set."""
    return [
        Override(f"environment variable {name}", path, environment[name])
        for name, path in VARIABLES.items()
        if environment.get(name)
    ]


def in_force(settings: Settings) -> dict[str, object]:
    """The settings as plain values for `/status`, without secrets."""
    plain: dict[str, object] = masked(msgspec.to_builtins(settings))
    return plain


def load(folder: Path | None, overrides: list[Override]) -> Settings:
    """The settings in force; later overrides win. A null folder is `config`, if it exists.

    Raises ConfigurationError.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such configuration folder")
    root = folder or DEFAULT_FOLDER
    _refuse_unknown_files(root)
    raw_file = read_yaml(root / COLLECTOR_FILE)
    file = convert(raw_file, CollectorFile, str(root / COLLECTOR_FILE))
    raw_logging = read_yaml(root / LOGGING_FILE)
    settings = {
        "system": raw_file.get("system", {}),
        "nats": raw_file.get("nats", {}),
        "http": raw_file.get("http", {}),
        "logging": raw_logging,
    }
    convert(raw_logging, LoggingSettings, str(root / LOGGING_FILE))
    for override in overrides:
        settings = _overridden(settings, override)
    exchanges = load_exchanges(root, file.exchanges, raw_file.get("defaults", {}))
    checked: Settings = convert(settings, Settings, "configuration")
    for url in (checked.nats.url or "").split(","):
        if url and (problem := address_problem(url)):
            raise ConfigurationError(f"nats.url (NATS_URL): {mask(url)!r}: {problem}") from None
    return msgspec.structs.replace(checked, exchanges=exchanges)


def _refuse_unknown_files(root: Path) -> None:
    """A misspelt or misplaced file must not silently leave the defaults in force."""
    known = {root / COLLECTOR_FILE, root / LOGGING_FILE}
    for place in (root, root / COLLECTOR_FILE.parent, root / LOGGING_FILE.parent):
        for path in sorted(place.glob("*.y*ml")):
            if path not in known:
                allowed = f"{COLLECTOR_FILE}, {LOGGING_FILE} and {EXCHANGE_FOLDER}/<exchange>.yaml"
                raise ConfigurationError(
                    f"{path}: not a file of the configuration; allowed: {allowed}"
                )


def _overridden(settings: Raw, override: Override) -> Raw:
    """`settings` with one override, checked alone so that the message names its source."""
    typed = convert_text(override.text, Settings, override.path.split("."), override.source)
    for key in reversed(override.path.split(".")):
        typed = {key: typed}
    return overlaid(settings, typed)
