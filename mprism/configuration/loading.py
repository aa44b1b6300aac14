"""Reads the configuration: command line over environment over files over defaults.

Whatever is wrong is refused before anything starts, naming the file or variable, the path in
it, the value and what is allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from mprism.configuration.addresses import address_problem
from mprism.configuration.conversion import ConfigurationError, convert, convert_text
from mprism.configuration.secrets import mask, masked
from mprism.configuration.yaml_file import read_yaml
from mprism.feeds.registry import VENUES
from mprism.settings import (
    DEFAULTS,
    OFFERED,
    ExchangeName,
    ExchangeSettings,
    HttpSettings,
    LoggingSettings,
    NatsSettings,
    Settings,
    SystemSettings,
)

DEFAULT_FOLDER = Path("config")
COLLECTOR_FILE = Path("collector/unified_data_collection.yaml")
EXCHANGE_FOLDER = Path("collector/exchange_configs")
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

_Raw = dict[str, Any]


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
    exchanges = _exchanges(root, file.exchanges, raw_file.get("defaults", {}))
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


def _exchanges(
    root: Path, names: tuple[ExchangeName, ...], defaults: _Raw
) -> dict[ExchangeName, ExchangeSettings]:
    known = get_args(ExchangeName)
    for path in sorted((root / EXCHANGE_FOLDER).glob("*.y*ml")):
        if path.stem not in known or path.suffix != ".yaml":
            allowed = ", ".join(f"{name}.yaml" for name in known)
            raise ConfigurationError(f"{path}: no such exchange; allowed: {allowed}")
    if not names:
        raise ConfigurationError(
            f"{root / COLLECTOR_FILE}: exchanges: empty; allowed: any of {', '.join(known)}"
        )
    # Also of exchanges that are not collected now: their files must not rot.
    paths = {name: root / EXCHANGE_FOLDER / f"{name}.yaml" for name in known}
    files = {name: read_yaml(path) for name, path in paths.items()}
    for name, raw in files.items():
        convert(raw, ExchangeSettings, str(paths[name]))
    exchanges: dict[ExchangeName, ExchangeSettings] = {}
    for name in names:
        path, raw = paths[name], files[name]
        base = msgspec.to_builtins(DEFAULTS[name])
        merged = _merged(_merged(base, _defaults_for(name, defaults)), raw)
        settings = convert(merged, ExchangeSettings, str(path))
        problem = (
            _data_type_problem(name, settings)
            or VENUES[name].check(settings)
            or _address_problem(settings)
        )
        if problem:
            place = _place_of(problem, path, raw, root / COLLECTOR_FILE, defaults)
            raise ConfigurationError(f"{place}{problem}")
        exchanges[name] = settings
    return exchanges


def _place_of(problem: str, path: Path, raw: _Raw, common: Path, defaults: _Raw) -> str:
    """What a problem is told after: it begins with its setting, which `defaults` may hold."""
    keys = problem.partition(":")[0].split(".")
    for searched in (keys, keys[:1]):
        if _holds(raw, searched):
            break
        if _holds(defaults, searched):
            return f"{common}: defaults."
    return f"{path}: "


def _holds(raw: _Raw, keys: list[str]) -> bool:
    value: object = raw
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _defaults_for(name: ExchangeName, defaults: _Raw) -> _Raw:
    """The defaults for every exchange, with those data types only that this one has, if any."""
    wanted = defaults.get("data_types")
    if not wanted:
        return defaults
    return {**defaults, "data_types": [each for each in wanted if each in OFFERED[name]] or wanted}


def _data_type_problem(name: ExchangeName, settings: ExchangeSettings) -> str | None:
    for data_type in settings.data_types:
        if data_type not in OFFERED[name]:
            allowed = ", ".join(OFFERED[name])
            return f"data_types: {data_type!r}: {name} has none; allowed: {allowed}"
    return None


def _address_problem(settings: ExchangeSettings) -> str | None:
    for key, url in (("websocket_url", settings.websocket_url), ("rest_url", settings.rest_url)):
        if url and (problem := address_problem(url)):
            return f"{key}: {mask(url)!r}: {problem}"
    return None


def _merged(base: _Raw, over: _Raw) -> _Raw:
    """`base` with `over` on top; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _overridden(settings: _Raw, override: Override) -> _Raw:
    """`settings` with one override, checked alone so that the message names its source."""
    typed = convert_text(override.text, Settings, override.path.split("."), override.source)
    for key in reversed(override.path.split(".")):
        typed = {key: typed}
    return _merged(settings, typed)
