"""What a comparison comes to: a row of numbers, and the first problems in words."""

from dataclasses import dataclass

_PROBLEMS = 20  # described in words; the rest is only counted


@dataclass(slots=True)
class Result:
    """One row of the report: one exchange and data type.

    `sent` counts what the collector has provably read. More may be stored: what was written on
    a connection that ended before it was confirmed.
    """

    exchange: str
    data_type: str
    sent: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    compared: int = 0  # books after each message, or values
    wrong: int = 0

    @property
    def is_right(self) -> bool:
        """Whether there was something and nothing of it is missing, twice or wrong."""
        faults = self.lost + self.duplicated + self.out_of_order + self.wrong
        return not faults and self.stored > 0


class Problems:
    """The first things that were wrong, in words."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Keep `text` if there are not too many already."""
        if len(self.texts) < _PROBLEMS:
            self.texts.append(text)
