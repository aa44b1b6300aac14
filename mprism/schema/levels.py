"""Price levels as the JSON text that they come in and go out in.

Nearly every level is passed on without anyone looking into it. Kept as text it costs neither
the strings of its numbers nor their encoding.
"""

from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from mprism.schema.event import Level

_decode = msgspec.json.Decoder(list[Level]).decode


class Levels(Sequence[Level]):
    """A sequence of levels; `text` is its JSON, which is decoded when it is looked into.

    Equal to every sequence of the same levels.
    """

    __slots__ = ("_count", "text")
    __hash__ = None  # type: ignore[assignment]  # it is equal to lists, which have none

    def __init__(self, text: bytes, count: int | None = None) -> None:
        self.text = text
        self._count = count

    @classmethod
    def joined(cls, levels: Sequence[bytes]) -> "Levels":
        """Of the JSON of each level, without its brackets: `"price","quantity"`."""
        return cls(b"[[%b]]" % b"],[".join(levels) if levels else b"[]", len(levels))

    def __len__(self) -> int:
        # A decimal has no bracket in it.
        return self.text.count(b"[") - 1 if self._count is None else self._count

    @overload
    def __getitem__(self, index: int) -> Level: ...
    @overload
    def __getitem__(self, index: slice) -> list[Level]: ...
    def __getitem__(self, index: int | slice) -> Level | list[Level]:
        return _decode(self.text)[index]

    def __iter__(self) -> Iterator[Level]:
        return iter(_decode(self.text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return repr(list(self))


def encode_levels(part: object) -> msgspec.Raw:
    """What an encoder makes of `Levels`. Raises NotImplementedError for anything else."""
    if isinstance(part, Levels):
        return msgspec.Raw(part.text)
    raise NotImplementedError(f"{type(part).__name__} is no part of a message")
