"""The `ticker` and `perpetual` channels of one contract, and the records of what they tell.

`100ms` speaks when something has changed; `agg2` repeats its newest message once a second.
The two kinds of channel never have the same timestamp, so that a record's time says which
of them a value was taken from.
"""

from collections.abc import Iterator

from mprism.simulator.deribit import payloads
from mprism.simulator.deribit.feed import INTERVAL_US, ContractFeed
from mprism.simulator.deribit.gauges import Figures, Gauges, open_interest_fields
from mprism.simulator.deribit.payloads import notification
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication, Record

AGGREGATE_US = 1_000_000
TICKER_BEHIND_MS = 1
PERPETUAL_BEHIND_MS = 3


class Channel:
    """One kind of channel at both intervals; the newest message is kept."""

    def __init__(self, kind: str, name: str) -> None:
        self.names = {interval: f"{kind}.{name}.{interval}" for interval in ("100ms", "agg2")}
        self._data: object = None
        self._records: list[Record] = []
        self._aggregated = True  # or there is nothing to aggregate yet

    def put(self, data: object, records: list[Record]) -> Publication:
        """A new message, for the fast channel."""
        self._data, self._records = data, records
        self._aggregated = False
        return self._publication("100ms")

    def aggregate(self) -> Iterator[Publication]:
        """The newest message for the slow channel, unless it has had it."""
        if not self._aggregated:
            self._aggregated = True
            yield self._publication("agg2")

    def opening(self, channel: str) -> Publication | None:
        """What a subscription begins with: the newest message, if there is one."""
        for interval, name in self.names.items():
            if name == channel and self._data is not None:
                return self._publication(interval)
        return None

    def _publication(self, interval: str) -> Publication:
        channel, data = self.names[interval], self._data
        return Publication(channel, lambda _: notification(channel, data), self._records)


class Tickers:
    """Funding, open interest and prices of one contract."""

    def __init__(self, feed: ContractFeed, gauges: Gauges, offset_us: int) -> None:
        contract = feed.contract
        self.ticker = Channel("ticker", contract.name)
        self.perpetual = Channel("perpetual", contract.name)
        self.funding = ValueTape("funding_rate", contract.name)
        self.open_interest = ValueTape("open_interest", contract.name)
        self._feed = feed
        self._gauges = gauges
        self._offset_us = offset_us
        self._moved_us = 0
        self._book_id = 0

    @property
    def values(self) -> tuple[ValueTape, ...]:
        """The records of what the channels tell."""
        told = (self.open_interest,)
        return (self.funding, *told) if self._feed.contract.perpetual else told

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that there are of this contract."""
        return (self.ticker, self.perpetual) if self._feed.contract.perpetual else (self.ticker,)

    @property
    def figures(self) -> Figures:
        """The values as they are now."""
        return self._gauges.figures

    def due(self, now_us: int) -> Iterator[Publication]:
        """What is to be sent at this time, in order."""
        if (now_us - self._offset_us) % INTERVAL_US:
            return
        moved = self._gauges.move(self._moved_us, now_us)
        self._moved_us = now_us
        if moved and self._feed.contract.perpetual:
            yield self._fund(now_us // 1_000 - PERPETUAL_BEHIND_MS)
        if moved or self._feed.book.shown.update_id != self._book_id:
            self._book_id = self._feed.book.shown.update_id
            yield self._tick(now_us // 1_000 - TICKER_BEHIND_MS)
        if (now_us - self._offset_us) % AGGREGATE_US == 0:
            for channel in self.channels:
                yield from channel.aggregate()

    def _tick(self, time_ms: int) -> Publication:
        contract, figures = self._feed.contract, self._gauges.figures
        fields = open_interest_fields(contract, figures)
        records: list[Record] = [(self.open_interest, self.open_interest.append(time_ms, fields))]
        if contract.perpetual:
            index = self.funding.append(
                time_ms,
                {
                    "current_funding_rate": figures.funding.text,
                    "mark_price": figures.mark_price.text,
                    "index_price": figures.index_price.text,
                },
            )
            records.append((self.funding, index))
        last = self._feed.deals.last_price
        data = payloads.ticker(contract, figures, self._feed.book.shown, last, time_ms)
        return self.ticker.put(data, records)

    def _fund(self, time_ms: int) -> Publication:
        figures = self._gauges.figures
        index = self.funding.append(
            time_ms,
            {"current_funding_rate": figures.funding.text, "index_price": figures.index_price.text},
        )
        return self.perpetual.put(payloads.perpetual(figures, time_ms), [(self.funding, index)])
