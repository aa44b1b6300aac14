"""Stored values against the truth, field by field: everything that is no trade and no book. Pure.

Each stored message must say what the exchange said at that time. Of liquidations, ratios and
volatility every value that was provably read must be stored. Funding rates and open interest
are states, which need not be stored again while they stay the same: whenever one was read,
the newest stored one must have said the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from mprism.demo.result import Problems, Result
from mprism.schema import Event, VolatilityIndex, rfc3339
from mprism.simulator import Outcome, ValueRecord, ValueTape

_STATES: Final = {
    "funding_rate": ("current_funding_rate", "estimated_funding_rate", "next_funding_time"),
    "open_interest": ("open_interest",),
}
_UNORDERED: Final = ("liquidation",)  # exchanges do not give them in order
_NS_PER_MS: Final = 1_000_000


class ValueComparison:
    """One data type of one exchange."""

    def __init__(self, exchange: str, data_type: str, problems: Problems) -> None:
        self.result = Result(exchange, data_type)
        self._problems = problems
        self._stored: dict[str, list[Event]] = defaultdict(list)
        self._keys: set[tuple[str, str]] = set()
        self._last: dict[tuple[str, bool], int] = {}

    def read(self, message: Event) -> None:
        """The next stored message."""
        result, symbol = self.result, message.instrument_id
        result.stored += 1
        if (symbol, message.key()) in self._keys:
            result.duplicated += 1
            self._problems.note(f"{symbol} {result.data_type} {message.key()} is stored twice")
            return
        self._keys.add((symbol, message.key()))
        series = symbol, _is_candle(message)
        if message.ts_event < self._last.get(series, 0) and result.data_type not in _UNORDERED:
            result.out_of_order += 1
            self._problems.note(f"{symbol} {result.data_type} of {message.timestamp} came too late")
        self._last[series] = message.ts_event
        self._stored[symbol].append(message)

    def end(self, tapes: Iterable[ValueTape]) -> Result:
        """Everything was read: what is missing, and what the exchange never said."""
        for tape in tapes:
            self._compare(tape, self._stored.pop(tape.symbol, []))
        for symbol, messages in self._stored.items():
            self._note_wrong(symbol, messages)
        return self.result

    def _compare(self, tape: ValueTape, stored: Sequence[Event]) -> None:
        records = list(tape.records())
        self.result.sent += sum(record.outcome is Outcome.CONFIRMED for record in records)
        self.result.compared += len(stored)
        said: dict[int, list[ValueRecord]] = defaultdict(list)
        for record in records:
            said[record.time_ms * _NS_PER_MS].append(record)
        wrong = []
        for message in stored:
            there = said[message.ts_event]
            match = next((record for record in there if is_told(record, message)), None)
            if match is None:
                wrong.append(message)
            else:
                there.remove(match)
        self._note_wrong(tape.symbol, wrong)
        if state := _STATES.get(tape.data_type):
            missing = _untold_states(records, stored, state)
        else:
            missing = [record for left in said.values() for record in left if _was_read(record)]
        self.result.lost += len(missing)
        for record in missing:
            self._problems.note(
                f"{tape.symbol} {tape.data_type} of {_time(record)} is not stored: {record.fields}"
            )

    def _note_wrong(self, symbol: str, messages: Iterable[Event]) -> None:
        for message in messages:
            self.result.wrong += 1
            self._problems.note(f"{symbol} was never said by the exchange: {message}")


def _was_read(record: ValueRecord) -> bool:
    return record.outcome is Outcome.CONFIRMED


def _is_candle(message: Event) -> bool:
    return isinstance(message, VolatilityIndex) and message.resolution is not None


def _untold_states(
    records: Iterable[ValueRecord], stored: Iterable[Event], names: Sequence[str]
) -> list[ValueRecord]:
    """The values that were read while something else, or nothing, was the newest stored one."""
    missing = []
    ahead = sorted(stored, key=lambda message: message.ts_event, reverse=True)
    newest: Event | None = None
    for record in sorted(filter(_was_read, records), key=lambda record: record.time_ms):
        while ahead and ahead[-1].ts_event <= record.time_ms * _NS_PER_MS:
            newest = ahead.pop()
        if newest is None or not is_told(record, newest, names):
            missing.append(record)
    return missing


def is_told(record: ValueRecord, message: Event, names: Sequence[str] | None = None) -> bool:
    """Whether `message` says in these fields, or in all that the truth has, what is true."""
    return all(
        _is_same(true, getattr(message, name), is_time=name.endswith("_time"))
        for name, true in record.fields.items()
        if names is None or name in names
    )


def _is_same(true: str | int | None, told: object, *, is_time: bool) -> bool:
    if is_time and isinstance(true, int):
        return told == rfc3339(true * _NS_PER_MS)
    if isinstance(true, str) and isinstance(told, str):
        return true == told or _number(true) == _number(told) is not None
    return true == told


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _time(record: ValueRecord) -> str:
    return rfc3339(record.time_ms * _NS_PER_MS)
