"""One YAML file as a mapping, strictly: no repeated keys, no key that is no text."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from mprism.configuration.conversion import ConfigurationError
from mprism.configuration.secrets import mask

_MERGE = "tag:yaml.org,2002:merge"


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


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a file; empty when there is no such file. Raises ConfigurationError."""
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
