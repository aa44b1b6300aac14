"""Which events have come before, by their ids: for those whose ids do not count up."""

from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 20_000  # the oldest are forgotten


@dataclass(slots=True)
class SeenIds:
    """The newest ids of all instruments together."""

    _ids: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(self, instrument_id: str, event_id: str) -> bool:
        """Whether this id comes for the first time; from now on it has come before."""
        key = instrument_id, event_id
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > _MOST:
            del self._ids[next(iter(self._ids))]
        return True
