"""Numbers that look random and depend on nothing but what they are asked for.

So a value of any time, past or present, needs no memory of the values before it.
"""

from random import Random


class Noise:
    """A family of numbers from -1 to 1, the same for the same seed, name and position."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def at(self, name: str, n: int) -> float:
        """The number of this name at position `n`; neighbours have nothing in common."""
        return Random(f"{self._seed}:{name}:{n}").uniform(-1.0, 1.0)

    def smooth(self, name: str, n: int, length: int) -> float:
        """The same, but drawn every `length` positions and moving evenly between them."""
        before, part = divmod(n, length)
        start, end = self.at(name, before), self.at(name, before + 1)
        return start + (end - start) * part / length
