"""The exchanges' part of the configuration: a file each, over the defaults for every exchange."""

from pathlib import Path
from typing import Any, get_args

import msgspec

from mprism.configuration.addresses import address_problem
from mprism.configuration.conversion import ConfigurationError, convert
from mprism.configuration.secrets import mask
from mprism.configuration.yaml_file import read_yaml
from mprism.feeds.registry import VENUES
from mprism.settings import CHOICES, DEFAULTS, OFFERED, ExchangeName, ExchangeSettings

COLLECTOR_FILE = Path("collector/unified_data_collection.yaml")
EXCHANGE_FOLDER = Path("collector/exchange_configs")

Raw = dict[str, Any]


def load_exchanges(
    root: Path, names: tuple[ExchangeName, ...], defaults: Raw
) -> dict[ExchangeName, ExchangeSettings]:
    """The settings of the exchanges `names`, of their files below `root` over `defaults`.

    Raises ConfigurationError.
    """
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
        merged = overlaid(overlaid(base, _defaults_for(name, defaults)), raw)
        settings = convert(merged, ExchangeSettings, str(path))
        problem = (
            _choice_problem(name, raw)
            or _data_type_problem(name, settings)
            or VENUES[name].check(settings)
            or _address_problem(settings)
        )
        if problem:
            place = _place_of(problem, path, raw, root / COLLECTOR_FILE, defaults)
            raise ConfigurationError(f"{place}{problem}")
        exchanges[name] = settings
    return exchanges


def _place_of(problem: str, path: Path, raw: Raw, common: Path, defaults: Raw) -> str:
    """What a problem is told after: it begins with its setting, which `defaults` may hold."""
    keys = problem.partition(":")[0].split(".")
    for searched in (keys, keys[:1]):
        if _holds(raw, searched):
            break
        if _holds(defaults, searched):
            return f"{common}: defaults."
    return f"{path}: "


def _holds(raw: Raw, keys: list[str]) -> bool:
    value: object = raw
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _defaults_for(name: ExchangeName, defaults: Raw) -> Raw:
    """The defaults for every exchange, as far as this one knows them.

    Of data types those that it has; all of them, to be refused, if it has none.
    """
    known = {key: value for key, value in defaults.items() if _has(name, key)}
    if wanted := defaults.get("data_types"):
        known["data_types"] = [each for each in wanted if each in OFFERED[name]] or wanted
    return known


def _has(name: ExchangeName, key: str) -> bool:
    return key not in CHOICES or name in CHOICES[key]


def _choice_problem(name: ExchangeName, raw: Raw) -> str | None:
    for key in raw:
        if not _has(name, key):
            return f"{key}: {name} has no such choice; only {', '.join(CHOICES[key])}"
    return None


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


def overlaid(base: Raw, over: Raw) -> Raw:
    """`base` with `over` on top; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged
