"""Keeps credentials out of everything that is shown."""

import re
from typing import Any

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


def masked(plain: Any) -> Any:
    """Parsed YAML or JSON with `mask` applied to every text in it."""
    if isinstance(plain, dict):
        return {key: masked(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [masked(value) for value in plain]
    return mask(plain) if isinstance(plain, str) else plain
