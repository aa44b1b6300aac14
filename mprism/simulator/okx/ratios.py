"""Long/short ratios of one contract, which only REST tells, a row for each period.

A row appears a little after its period has ended. The name of the period stays `5m`,
however long it really lasts here.
"""

from collections.abc import Iterable, Sequence
from random import Random

from mprism.simulator.okx.figures import figure, scaled
from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

PERIOD = "5m"
HISTORY = 60  # rows from before the market opened
LATE = 50  # a row is late by this part of a period


class Ratio:
    """One kind of ratio of one contract; newest last."""

    def __init__(self, data_type: str, inst_id: str, random: Random) -> None:
        self.tape = ValueTape(data_type, inst_id)
        self._random = random
        self._ratio = random.randrange(7_000, 16_000)  # in ten-thousandths

    def add(self, time_ms: int) -> None:
        """The row of the period that ended at this time."""
        pull = (10_000 - self._ratio) // 20
        self._ratio = max(1, self._ratio + pull + self._random.randrange(-900, 901))
        ratio = figure(scaled(self._ratio, 4))
        self.tape.append(time_ms, {"long_short_ratio": ratio, "period": PERIOD})

    def rows(self, begin_ms: int, end_ms: int, limit: int) -> list[list[str]]:
        """The newest rows of this time, newest first. They count as read."""
        rows: list[list[str]] = []
        for index in reversed(range(len(self.tape))):
            record = self.tape[index]
            if begin_ms <= record.time_ms <= end_ms and len(rows) < limit:
                self.tape.note(index, Outcome.CONFIRMED)
                rows.append([str(record.time_ms), str(record.fields["long_short_ratio"])])
        return rows


class Ratios:
    """Both kinds of one contract. `period_us` is the real length of a period."""

    def __init__(self, inst_id: str, random: Random, period_us: int, start_us: int) -> None:
        self.positions = Ratio("lsr_top_position", inst_id, random)
        self.accounts = Ratio("lsr_all_account", inst_id, random)
        self._period_us = period_us
        self._next_us = start_us - start_us % period_us - HISTORY * period_us
        self._catch_up(start_us)

    @property
    def values(self) -> Sequence[ValueTape]:
        """Both tapes."""
        return self.positions.tape, self.accounts.tape

    def due(self, now_us: int) -> Iterable[Publication]:
        """Nothing to be sent; the rows are there to be asked for."""
        self._catch_up(now_us)
        return ()

    def _catch_up(self, now_us: int) -> None:
        while now_us >= self._next_us + self._period_us // LATE:
            for ratio in (self.positions, self.accounts):
                ratio.add(self._next_us // 1_000)
            self._next_us += self._period_us
