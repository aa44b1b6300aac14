"""Deribit's volatility indexes: one value a second, and candles of them for REST.

Values are percent points. Before the market was opened the index was a smooth curve, which
the streamed values continue; a candle with streamed values in it is made of those alone.
Candles that were given are recorded as what a client may tell of, not as what it must.
"""

import math
from collections.abc import Iterator
from random import Random

from mprism.simulator.deribit.numbers import Number
from mprism.simulator.deribit.payloads import notification
from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

SECOND_US = 1_000_000
DIGITS = 2
LOWEST, HIGHEST = 1_000, 19_999  # hundredths of a percent point

Candle = tuple[int, int, int, int, int]
"""Where it begins (epoch seconds); open, high, low and close in hundredths."""


class VolatilityIndex:
    """One index, e.g. `btc_usd`."""

    def __init__(self, name: str, random: Random, level: int) -> None:
        self.name = name
        self.channel = f"deribit_volatility_index.{name}"
        self.tape = ValueTape("volatility_index", name)
        self._random = random
        self._level = level
        self._value: int | None = None
        self._streamed: dict[int, int] = {}  # value by second
        self._given: set[tuple[int, Candle]] = set()  # by length
        self._first_s = 0
        self._now_s = 0

    @property
    def values(self) -> tuple[ValueTape]:
        """The records of what was streamed."""
        return (self.tape,)

    def due(self, now_us: int) -> Iterator[Publication]:
        """The value of a second, when it begins."""
        now_s = now_us // SECOND_US
        if now_s == self._now_s:
            return
        self._now_s = now_s
        if self._value is None:
            self._first_s = now_s
            self._value = self._curve(now_s)
        else:
            moved = self._value + self._random.randrange(-12, 13)
            self._value = max(LOWEST, min(HIGHEST, moved))
        self._streamed[now_s] = self._value
        time_ms = now_us // 1_000
        number = Number(self._value, DIGITS)
        fields = {"volatility_index": number.text, "resolution": None}
        index = self.tape.append(time_ms, fields)
        data = {"timestamp": time_ms, "volatility": number.json, "index_name": self.name}
        yield Publication(
            self.channel, lambda _: notification(self.channel, data), [(self.tape, index)]
        )

    def candles(self, first_s: int, last_s: int, seconds: int, most: int) -> list[Candle]:
        """Give the newest `most` candles that begin from `first_s` to `last_s`, oldest first."""
        last_s = min(last_s, self._now_s)
        newest = last_s - last_s % seconds
        oldest = max(first_s + -first_s % seconds, newest - (most - 1) * seconds)
        candles = [self._candle(start, seconds) for start in range(oldest, newest + 1, seconds)]
        for candle in candles:
            self._record(candle, seconds)
        return candles

    def _record(self, candle: Candle, seconds: int) -> None:
        if (seconds, candle) in self._given:
            return
        self._given.add((seconds, candle))
        start, *values = candle
        opened, high, low, close = (Number(value, DIGITS).text for value in values)
        fields = {
            "volatility_index": close,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "resolution": str(seconds),
        }
        self.tape.note(self.tape.append(start * 1_000, fields), Outcome.SENT)

    def _candle(self, start: int, seconds: int) -> Candle:
        within = range(max(start, self._first_s), min(start + seconds, self._now_s + 1))
        values = [self._streamed[second] for second in within if second in self._streamed]
        if values:
            return start, values[0], max(values), min(values), values[-1]
        first, last = self._curve(start), self._curve(start + seconds)
        spread = 1 + start // seconds % 17
        return start, first, max(first, last) + spread, min(first, last) - spread, last

    def _curve(self, second: int) -> int:
        wave = 300 * math.sin(second / 40_000) + 80 * math.sin(second / 900)
        return self._level + int(wave)
