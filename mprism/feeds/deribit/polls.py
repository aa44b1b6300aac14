"""Liquidations by REST: answers have flags that streamed trades lack.

Each round asks for the trades since the last one, and for a minute before it again: trades
may come late there.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE
from mprism.feeds.deribit.liquidations import PublishedLiquidations, liquidations_of
from mprism.feeds.deribit.trade_rows import TradeRow, read_trades
from mprism.feeds.deribit.wire import CREDITS, Answer, TradePage
from mprism.feeds.errors import NetworkFault
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity, Fetch, Reject, Request
from mprism.state import StreamState

PATH: Final = "/api/v2/public/get_last_trades_by_instrument_and_time"
_OVERLAP_MS: Final = 60_000
_MOST_TRADES: Final = 1_000  # of one answer
_ROUNDS_PATIENCE: Final = 3.0

_decode = msgspec.json.Decoder(Answer[TradePage]).decode


class LiquidationPoll:
    """See `mprism.feeds.protocol.PollProtocol`. Keys are instrument ids."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        published: PublishedLiquidations,
        period_seconds: float,
        continuity: Continuity,
        states: dict[str, StreamState],
    ) -> None:
        """`states` gets an entry per instrument and is kept up to date."""
        self._instruments = {each.instrument_id: each for each in instruments}
        self._published = published
        self._continuity = continuity
        self._states = states
        self._asked: dict[str, tuple[int, int]] = {}  # the times that were asked for last, ms
        for name in self._instruments:
            states[name] = StreamState(patience=_ROUNDS_PATIENCE * period_seconds)

    def begin(self, now_ns: int) -> Iterator[Fetch]:
        now = now_ns // NS_PER_MS
        for name in self._instruments:
            read = self._continuity.last_time.setdefault(_series(name), now)
            yield self._fetch(name, min(read, now) - _OVERLAP_MS, now)

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterator[Action]:
        try:
            answer = _decode(body)
        except UNDECODABLE as error:
            raise NetworkFault(f"the trades of {key}: {error}") from error
        state = self._states[key]
        state.acknowledged, state.last_recv_ns = True, recv_ns
        state.messages += 1
        self._continuity.messages += 1
        rows: list[TradeRow] = []
        for row in read_trades(answer.result.trades, self._instruments[key]):
            if isinstance(row, Reject):
                yield row
            else:
                rows.append(row)
        for row in rows:
            told = liquidations_of(row, self._instruments[key], recv_ns)
            yield from self._published.new(told)
        yield from self._go_on(key, answer, rows)

    def _go_on(self, key: str, answer: Answer[TradePage], rows: list[TradeRow]) -> Iterator[Fetch]:
        """Note how far the trades have been read, and ask for those behind them."""
        begin, end = self._asked[key]
        if answer.result.has_more and rows:
            # The next page repeats the last time: more trades may be of it.
            read = max(begin + 1, max(row.time for row in rows))
            yield self._fetch(key, read, end)
        else:
            # Not beyond the exchange's own time: our clock may be ahead of it.
            read = end if answer.us_out is None else min(end, answer.us_out // 1_000)
        self._continuity.last_time[_series(key)] = read

    def _fetch(self, name: str, begin: int, end: int) -> Fetch:
        self._asked[name] = begin, end
        parameters: dict[str, str | int] = {
            "instrument_name": name,
            "start_timestamp": begin,
            "end_timestamp": end,
            "count": _MOST_TRADES,
            "sorting": "asc",
        }
        return Fetch(name, Request(PATH, parameters, CREDITS))


def _series(name: str) -> str:
    return f"liquidation:{name}"
