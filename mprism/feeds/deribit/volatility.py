"""The volatility index: the channel `deribit_volatility_index.*`, and candles where it was away.

At the start, and whenever two streamed values are more than a minute apart, candles of a
minute are asked for; by the next connection, if this one ends before the answer. Only those are
published that are complete, and newer than the last one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import Raw

from mprism.feeds.decimals import MalformedNumber, decimal_of, from_json, product
from mprism.feeds.decoding import UNDECODABLE, Milliseconds
from mprism.feeds.deribit.channels import Stream
from mprism.feeds.deribit.wire import CREDITS, Answer, CandlePage, VolatilityData
from mprism.feeds.levels import is_amount
from mprism.feeds.place import place
from mprism.feeds.protocol import Action, Fetch, Reject, Request
from mprism.schema import VolatilityIndex

_PATH: Final = "/api/v2/public/get_volatility_index_data"
_SECONDS: Final = 60  # a candle's length
_CANDLE_MS: Final = _SECONDS * 1_000
_FIRST_MS: Final = 3_600_000  # that is asked for at the start
_MOST_PAGES: Final = 10  # of 1,000 candles: a week
_FRACTIONS_BELOW: Final = 3

_Prices = tuple[str, str, str, str]
"""Open, high, low, close, in percent points."""

_decode = msgspec.json.Decoder(VolatilityData).decode
_decode_page = msgspec.json.Decoder(Answer[CandlePage]).decode
_decode_candle = msgspec.json.Decoder(tuple[Milliseconds, Raw, Raw, Raw, Raw]).decode


@dataclass(slots=True)
class _Asked:
    """Candles that are being asked for, newest page first. Times in ms."""

    begin: int
    end: int
    page_end: int
    pages: int = 0
    attempt: int = 0  # to get a page that can be read
    candles: dict[int, _Prices] = field(default_factory=dict)


class VolatilityChannel:
    """One index on one connection."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._asked: _Asked | None = None
        self._next: tuple[int, int] | None = None  # to ask for when the answers have come

    def receive(self, data: Raw, recv_ns: int) -> Iterator[Action]:
        """A message of the channel."""
        channel, index = self.stream.wanted.channel, self.stream.instrument
        try:
            message = _decode(data)
            value = _level(message.volatility)
        except UNDECODABLE as error:
            yield Reject("malformed event", f"{channel}: {error}")
            return
        except MalformedNumber as error:
            yield Reject("malformed value", f"{channel}: {error}")
            return
        if message.index_name != index.instrument_id:
            yield Reject("malformed event", f"{message.index_name!r} on {channel}")
            return
        self.stream.note(recv_ns)
        times, time = self.stream.continuity.last_time, message.timestamp
        last = times.get(self._series)
        # So much older means that the time of the last one was wrong.
        if last is not None and -_CANDLE_MS < time - last <= 0:
            return
        times[self._series] = time
        yield self._event(time, recv_ns, value)
        begin = time - _FIRST_MS if last is None else last
        if self._asked is None:
            begin = min(begin, times.get(self._unanswered, begin))
        if time - begin > _CANDLE_MS:
            yield from self._ask(begin - begin % _CANDLE_MS, time)

    def fetched(self, body: bytes, recv_ns: int) -> Iterator[Action]:
        """A page of candles."""
        asked = self._asked
        if asked is None:
            return  # an answer nobody waits for
        try:
            page = _decode_page(body).result
        except UNDECODABLE as error:
            yield Reject("malformed value", f"{self._series}: {error}")
            asked.attempt += 1
            yield self._fetch(asked)
            return
        yield from self._keep(asked, page.data)
        asked.pages, asked.attempt = asked.pages + 1, 0
        earlier = page.continuation
        if (
            earlier is not None
            and asked.begin <= earlier < asked.page_end
            and asked.pages < _MOST_PAGES
        ):
            asked.page_end = earlier
            yield self._fetch(asked)
            return
        self._asked = None
        yield from self._publish(asked, recv_ns)
        if self._next is not None:
            yield from self._ask(*self._next)
        else:
            self.stream.continuity.last_time.pop(self._unanswered, None)

    @property
    def _series(self) -> str:
        return f"volatility_index:{self.stream.instrument.instrument_id}"

    @property
    def _unanswered(self) -> str:
        """Where the feed remembers from when on candles were asked for and not had."""
        return f"{self._series}:unanswered"

    def _ask(self, begin: int, end: int) -> Iterator[Action]:
        times, unanswered = self.stream.continuity.last_time, self._unanswered
        times[unanswered] = min(begin, times.get(unanswered, begin))
        if self._asked is not None:
            self._next = (begin if self._next is None else self._next[0], end)
            return
        self._next, self._asked = None, _Asked(begin, end, end)
        yield self._fetch(self._asked)

    def _fetch(self, asked: _Asked) -> Fetch:
        parameters: dict[str, str | int] = {
            "currency": self.stream.instrument.symbol,
            "start_timestamp": asked.begin,
            "end_timestamp": asked.page_end,
            "resolution": str(_SECONDS),
        }
        request = Request(_PATH, parameters, CREDITS)
        return Fetch(self.stream.wanted.channel, request, asked.attempt)

    def _keep(self, asked: _Asked, rows: list[Raw]) -> Iterator[Action]:
        for row in rows:
            try:
                time, *prices = _decode_candle(row)
                asked.candles[time] = _percent(*map(_level, prices))
            except (*UNDECODABLE, MalformedNumber) as error:
                yield Reject("malformed value", f"{self._series}: {error}")

    def _publish(self, asked: _Asked, recv_ns: int) -> Iterator[Action]:
        times, series = self.stream.continuity.last_time, f"{self._series}:candle"
        for time, prices in sorted(asked.candles.items()):
            if times.get(series, -1) < time <= asked.end - _CANDLE_MS:
                times[series] = time
                yield self._event(time, recv_ns, prices[-1], prices)

    def _event(
        self, time: int, recv_ns: int, value: str, prices: _Prices | None = None
    ) -> VolatilityIndex:
        index = self.stream.instrument
        first, high, low, last = prices or (None, None, None, None)
        return VolatilityIndex(
            **place(index, time, recv_ns),
            volatility_index=value,
            currency=index.symbol,
            underlying_asset=index.symbol,
            index_name=index.instrument_id,
            open=first,
            high=high,
            low=low,
            close=last,
            resolution=None if prices is None else str(_SECONDS),
        )


def _level(raw: Raw) -> str:
    """A level of the index. Raises MalformedNumber."""
    level = from_json(raw)
    if not is_amount(level):
        raise MalformedNumber(f"no level of an index: {level}")
    return level


def _percent(first: str, high: str, low: str, last: str) -> _Prices:
    """The prices of a candle in percent points: the documents have fractions, too."""
    if decimal_of(high) >= _FRACTIONS_BELOW:
        return first, high, low, last
    return _hundredfold(first), _hundredfold(high), _hundredfold(low), _hundredfold(last)


def _hundredfold(fraction: str) -> str:
    return product(fraction, "1e2")  # with the digits that it has, and no zeros behind them
