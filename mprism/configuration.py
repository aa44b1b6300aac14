"""Reads the configuration: command line over environment over files over defaults.

Whatever is wrong is refused before anything starts, naming the file or variable, the path in
it, the value and what is allowed.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import yaml

from mprism.feeds.registry import VENUES
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
_MERGE = "tag:yaml.org,2002:merge"


class ConfigurationError(Exception):
    """The configuration cannot be used. The text says where and what is allowed."""


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


# What precedes the last @ of an address, even where the address is too wrong to have a scheme.
_CREDENTIALS = re.compile(
    r"""(?:(?<=://)|(?:\A|(?<=,))(?![^,]*://))  # where an address begins
        (?:(?!,\w+://).)+@                     # to its last @, and not into the next address
    """,
    re.VERBOSE | re.DOTALL,
)


def mask(text: str) -> str:
    """A value, one or several addresses, with asterisks for the credentials in it."""
    return _CREDENTIALS.sub("***@", text)


def in_force(settings: Settings) -> dict[str, object]:
    """The settings as plain values for `/status`, without secrets."""
    plain: dict[str, object] = _masked(msgspec.to_builtins(settings))
    return plain


def _masked(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _masked(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_masked(value) for value in plain]
    return mask(plain) if isinstance(plain, str) else plain


def load(folder: Path | None, overrides: list[Override]) -> Settings:
    """The settings in force; later overrides win. A null folder is `config`, if it exists.

    Raises ConfigurationError.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such configuration folder")
    root = folder or DEFAULT_FOLDER
    raw_file = _read(root / COLLECTOR_FILE)
    file = _convert(raw_file, CollectorFile, str(root / COLLECTOR_FILE))
    raw_logging = _read(root / LOGGING_FILE)
    settings = {
        "system": raw_file.get("system", {}),
        "nats": raw_file.get("nats", {}),
        "http": raw_file.get("http", {}),
        "logging": raw_logging,
    }
    _convert(raw_logging, LoggingSettings, str(root / LOGGING_FILE))
    for override in overrides:
        settings = _overridden(settings, override)
    exchanges = _exchanges(root, file.exchanges, raw_file.get("defaults", {}))
    checked: Settings = _convert(settings, Settings, "configuration")
    return msgspec.structs.replace(checked, exchanges=exchanges)


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
    exchanges: dict[ExchangeName, ExchangeSettings] = {}
    for name in names:
        path = root / EXCHANGE_FOLDER / f"{name}.yaml"
        raw = _read(path)
        _convert(raw, ExchangeSettings, str(path))
        settings = _convert(_merged(defaults, raw), ExchangeSettings, str(path))
        if problem := VENUES[name].check(settings):
            raise ConfigurationError(f"{path}: {problem}")
        exchanges[name] = settings
    return exchanges


def _merged(base: _Raw, over: _Raw) -> _Raw:
    """`base` with `over` on top; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _overridden(settings: _Raw, override: Override) -> _Raw:
    """`settings` with one override, checked alone so that the message names its source."""
    kind = _annotation(Settings, override.path.split("."))
    try:
        typed = msgspec.convert(override.text, kind, strict=False)
    except msgspec.ValidationError as error:
        value = mask(repr(override.text))
        raise ConfigurationError(
            f"{override.source}: {value}: {_allowed(str(error), kind)}"
        ) from None
    for key in reversed(override.path.split(".")):
        typed = {key: typed}
    return _merged(settings, typed)


class _Loader(yaml.SafeLoader):
    """Refuses keys that are no text, and a key given twice: YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            wrong = "is given twice" if isinstance(key, str) else "is not text"
            if not isinstance(key, str) or key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key {mask(repr(key))} {wrong}", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> _Raw:
    """The mapping in a YAML file; empty when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    try:
        raw = _without_nulls(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        # Without its cause, whose text quotes the line, and with it any credentials there.
        raise ConfigurationError(f"{path}: {_yaml_problem(error)}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: {type(raw).__name__}; allowed: a mapping of keys")
    return raw


def _without_nulls(raw: Any) -> Any:
    """A section whose keys are all commented out is null for YAML, and as good as absent."""
    if not isinstance(raw, dict):
        return raw
    return {key: _without_nulls(value) for key, value in raw.items() if value is not None}


def _yaml_problem(error: yaml.YAMLError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark, begin = error.problem_mark, error.context_mark
    text = f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return text if begin is None else f"{text}, {error.context} from line {begin.line + 1} on"


def _convert(raw: _Raw, kind: Any, source: str) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{source}: {_explained(str(error), raw, kind)}") from None


def _explained(text: str, raw: _Raw, kind: Any) -> str:
    """msgspec's message with the path first, the value, and what is allowed there."""
    message, _, place = text.partition(" - at `$")
    path = re.findall(r"[^.\[\]`]+", place)
    found = _annotation(kind, path)
    unknown = re.match(r"Object contains unknown field `(.*)`", message)
    if unknown:
        where = ".".join([*path, mask(unknown[1])])
        allowed = ", ".join(field.name for field in msgspec.structs.fields(found))
        return f"{where}: unknown key; allowed: {allowed}"
    return f"{'.'.join(path)}: {mask(repr(_value(raw, path)))}: {_allowed(message, found)}"


def _value(raw: Any, path: list[str]) -> Any:
    for key in path:
        raw = raw[int(key)] if isinstance(raw, list) else raw[key]
    return raw


def _annotation(kind: Any, path: list[str]) -> Any:
    """The type of the setting at `path`; what encloses it where the path enters a list."""
    for key in path:
        struct = next((part for part in _parts(kind) if hasattr(part, "__struct_fields__")), None)
        if struct is None:
            # Inside a tuple: its items' type.
            items = [item for part in _parts(kind) for item in get_args(part)]
            kind = items[0] if items else kind
            continue
        kind = {f.name: f.type for f in msgspec.structs.fields(struct)}[key]
    return kind


def _parts(kind: Any) -> Iterator[Any]:
    """`kind` without unions and annotations."""
    if get_origin(kind) is None or get_origin(kind) in (tuple, dict, Literal):
        yield kind
    elif hasattr(kind, "__metadata__"):
        yield from _parts(kind.__origin__)
    else:
        for part in get_args(kind):
            yield from _parts(part)


def _allowed(message: str, kind: Any) -> str:
    values = [
        value for part in _parts(kind) if get_origin(part) is Literal for value in get_args(part)
    ]
    if values:
        return f"allowed: {', '.join(map(str, values))}"
    return message[0].lower() + message[1:]
