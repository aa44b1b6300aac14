"""From parsed values to typed settings, and errors that say where and what is allowed."""

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from mprism.configuration.secrets import mask


class ConfigurationError(Exception):
    """The configuration cannot be used. The text says where and what is allowed."""


def convert_text(text: str, kind: Any, path: list[str], source: str) -> Any:
    """`text` as the setting at `path` of `kind`. Raises ConfigurationError naming `source`."""
    wanted = _annotation(kind, path)
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError as error:
        allowed = _allowed(str(error), wanted)
        raise ConfigurationError(f"{source}: {mask(repr(text))}: {allowed}") from None


def convert(raw: dict[str, Any], kind: Any, source: str) -> Any:
    """`raw` as a `kind` of settings. Raises ConfigurationError naming `source`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{source}: {_explained(str(error), raw, kind)}") from None


def _explained(text: str, raw: dict[str, Any], kind: Any) -> str:
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
    if description := _description(kind):
        return f"allowed: {description}"
    return message[0].lower() + message[1:]


def _description(kind: Any) -> str | None:
    """What a setting whose rule is a pattern may be, in words."""
    for part in (kind, *get_args(kind)):
        for note in getattr(part, "__metadata__", ()):
            if isinstance(note, msgspec.Meta) and note.description:
                return note.description
    return None
