"""What a configuration needs of USD-M by REST, asked for in periods."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mprism.feeds.binance.funding import (
    FUNDING_INFO,
    FUNDING_INFO_STREAM,
    FundingHours,
    FundingInfoPoll,
)
from mprism.feeds.binance.market import STATISTICS, USDM
from mprism.feeds.binance.open_interest import OPEN_INTEREST, OpenInterestPoll
from mprism.feeds.binance.ratios import RATIO_PATHS, RatioPoll, RatioType
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity, PollProtocol
from mprism.feeds.venue import MakePollProtocol, PollPlan
from mprism.settings import ExchangeSettings
from mprism.state import StreamState

_PATIENCE: Final = 3  # rounds without an answer that say nothing yet


@dataclass(frozen=True, slots=True)
class Polls:
    """The polls of one configuration."""

    exchange: str
    rest_url: str
    settings: ExchangeSettings
    instruments: Sequence[Instrument]
    funding_hours: FundingHours  # kept up to date by one of them

    def planned(self) -> Iterator[PollPlan]:
        """Those of the configured data types, without those that would ask for nothing."""
        wanted, instruments = self.settings.data_types, self.instruments
        # Dated contracts have neither ratios nor funding.
        perpetuals = [each for each in instruments if each.has_funding]
        if "open_interest" in wanted and instruments:
            yield self._open_interest(instruments)
        ratios = [data_type for data_type in RATIO_PATHS if data_type in wanted and perpetuals]
        for data_type in ratios:
            yield self._ratio(data_type, perpetuals, len(ratios))
        if "funding_rate" in wanted and perpetuals:
            yield self._funding_info(perpetuals)

    def _open_interest(self, instruments: Sequence[Instrument]) -> PollPlan:
        def make(continuity: Continuity, states: dict[str, StreamState]) -> PollProtocol:
            return OpenInterestPoll(instruments, continuity, states)

        seconds = self.settings.polling.open_interest_seconds
        return self._plan("open_interest", OPEN_INTEREST, instruments, seconds, make)

    def _ratio(
        self, data_type: RatioType, instruments: Sequence[Instrument], kinds: int
    ) -> PollPlan:
        """One of `kinds` ratios that share a limit, which is what makes rounds of many long."""
        by_id = {each.instrument_id: each for each in instruments}
        polling = self.settings.polling

        def make(continuity: Continuity, states: dict[str, StreamState]) -> PollProtocol:
            return RatioPoll(data_type, polling.ratio_period, by_id, continuity, states)

        path, limit = RATIO_PATHS[data_type], USDM.limits[STATISTICS]
        granted = limit.weight * self.settings.rest_weight_share
        granted *= 1 - self.settings.rest_snapshot_reserve
        at_least = kinds * len(instruments) * limit.seconds / granted
        return self._plan(
            data_type, path, instruments, polling.ratio_seconds, make, round_seconds=at_least
        )

    def _funding_info(self, instruments: Sequence[Instrument]) -> PollPlan:
        def make(continuity: Continuity, states: dict[str, StreamState]) -> PollProtocol:
            state = states[FUNDING_INFO_STREAM]
            return FundingInfoPoll(instruments, self.funding_hours, continuity, state)

        streams, seconds = (FUNDING_INFO_STREAM,), self.settings.polling.funding_info_seconds
        return self._plan("funding_info", FUNDING_INFO.path, instruments, seconds, make, streams)

    def _plan(
        self,
        name: str,
        path: str,
        instruments: Sequence[Instrument],
        seconds: float,
        make: MakePollProtocol,
        streams: tuple[str, ...] = (),
        round_seconds: float = 0.0,
    ) -> PollPlan:
        """`streams` are the ids of the instruments, unless they are named.

        `round_seconds` is how long the exchange's limits make a round last.
        """
        patience = _PATIENCE * max(seconds, round_seconds)
        streams = streams or tuple(instrument.instrument_id for instrument in instruments)

        def make_protocol(continuity: Continuity, states: dict[str, StreamState]) -> PollProtocol:
            for stream in streams:
                states[stream] = StreamState(acknowledged=True, patience=patience)
            return make(continuity, states)

        return PollPlan(
            name=f"{self.exchange}/{name}",
            exchange=self.exchange,
            url=f"{self.rest_url.rstrip('/')}{path}",
            symbols=tuple(instrument.symbol for instrument in instruments),
            streams=streams,
            period_seconds=seconds,
            make_protocol=make_protocol,
        )
