"""A whole simulated OKX market, spot or derivatives: instruments, and all that is told of them.

The messages of the main streams are each instrument's `trades-all` and `books`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from random import Random
from typing import Literal

from mprism.simulator.exchange import STEP_US, ExchangeMarket, UpdateIds
from mprism.simulator.faults import MarketFault, ResetSequence
from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.books import BOOK_LEVELS
from mprism.simulator.okx.catalog import CATALOGS, InstType, Kind, Listing
from mprism.simulator.okx.feed import OkxFeed
from mprism.simulator.okx.funding import FundingRate
from mprism.simulator.okx.instruments import instrument_rows
from mprism.simulator.okx.interest import OpenInterest
from mprism.simulator.okx.liquidations import Liquidations
from mprism.simulator.okx.prices import IndexTickers, MarkPrice
from mprism.simulator.okx.push import push
from mprism.simulator.okx.ratios import Ratios
from mprism.simulator.okx.session import Opening
from mprism.simulator.okx.source import OkxSource
from mprism.simulator.wire import Publication

Path = Literal["public", "business"]

TRADE_CHANNEL = "trades-all"
BUSINESS_CHANNELS = frozenset((TRADE_CHANNEL,))
LONGEST_JUMP = 12  # of sequence ids


class OkxMarket(ExchangeMarket):
    """The market of several instruments.

    `feeds`, `funding`, `interest` and `ratios` are by instrument id. `openings` are all
    streams of each path, with what a subscription begins with.
    """

    def __init__(
        self,
        kind: Kind,
        listings: Sequence[Listing],
        *,
        seed: int,
        rate: float,
        levels: int,
        start_us: int,
        heartbeat_us: int,
        statistics_us: int,
    ) -> None:
        exchange = f"okx_{kind}"
        self.listed = CATALOGS[kind]
        self._seed = f"{seed}:{exchange}"
        self._ids: list[UpdateIds] = []
        derivatives = [listing for listing in listings if listing.inst_type != "SPOT"]

        def open_feed(listing: Listing, n: int) -> OkxFeed:
            random = self._random_of(listing.inst_id)
            ids = UpdateIds(random, LONGEST_JUMP)
            self._ids.append(ids)
            depth = min(levels, BOOK_LEVELS)
            return OkxFeed(
                listing,
                SymbolMarket(listing.instrument, random, ids.next, depth),
                random,
                heartbeat_us=heartbeat_us,
                start_us=start_us,
                offset_us=n * STEP_US % 100_000,
            )

        self.feeds = {listing.inst_id: open_feed(listing, n) for n, listing in enumerate(listings)}
        self.funding = {
            i.inst_id: FundingRate(i, self._random_of(i.inst_id, "funding"), start_us)
            for i in derivatives
            if i.has_funding
        }
        self.interest = {
            i.inst_id: OpenInterest(
                i,
                self.feeds[i.inst_id].market,
                self._random_of(i.inst_id, "interest"),
                start_us=start_us,
                offset_us=n * 300_000,
            )
            for n, i in enumerate(derivatives)
        }
        self.ratios = {
            i.inst_id: Ratios(
                i.inst_id, self._random_of(i.inst_id, "ratios"), statistics_us, start_us
            )
            for i in derivatives
        }
        streaming: list[OkxSource] = [
            *self.funding.values(),
            *self.interest.values(),
            *self._liquidations(derivatives, start_us),
            *self._prices(derivatives, start_us),
        ]
        super().__init__(
            exchange,
            TRADE_CHANNEL,
            self.feeds,
            [*streaming, *self.ratios.values()],
            random=self._random_of("who trades"),
            rate=rate,
            start_us=start_us,
        )
        self.openings = self._openings(streaming)

    def inject(self, fault: MarketFault) -> Iterable[Publication]:
        """Let the sequence ids of all books go on from smaller ones."""
        if isinstance(fault, ResetSequence):
            for ids in self._ids:
                ids.restart()
        return ()

    def _random_of(self, *names: str) -> Random:
        return Random(":".join((self._seed, *names)))

    def _liquidations(self, listings: Iterable[Listing], start_us: int) -> Iterable[OkxSource]:
        def type_of(listing: Listing) -> InstType:
            return listing.inst_type

        markets = {inst_id: feed.market for inst_id, feed in self.feeds.items()}
        for inst_type, group in groupby(sorted(listings, key=type_of), type_of):
            random = self._random_of("liquidations", inst_type)
            yield Liquidations(inst_type, list(group), markets, random, start_us)

    def _prices(self, listings: Sequence[Listing], start_us: int) -> Iterable[OkxSource]:
        for i in listings:
            random = self._random_of(i.inst_id, "mark")
            yield MarkPrice(i, self.feeds[i.inst_id].market, random, start_us)
        indices = {i.index: self.feeds[i.inst_id].market for i in reversed(listings)}
        yield IndexTickers(indices, start_us)

    def _openings(self, sources: Iterable[OkxSource]) -> Mapping[Path, Mapping[str, Opening]]:
        openings: dict[str, Opening] = {}
        for inst_id, feed in self.feeds.items():
            openings[f"books:{inst_id}"] = partial(self._book, feed)
            openings[f"trades:{inst_id}"] = openings[f"trades-all:{inst_id}"] = _nothing
        for inst_type in {listing.inst_type for listing in self.listed}:
            openings[f"instruments:{inst_type}"] = partial(self._instruments, inst_type)
        for source in sources:
            openings.update(source.openings)
        split: dict[Path, dict[str, Opening]] = {"public": {}, "business": {}}
        for stream, opening in openings.items():
            business = stream.partition(":")[0] in BUSINESS_CHANNELS
            split["business" if business else "public"][stream] = opening
        return split

    def _book(self, feed: OkxFeed) -> Iterable[Publication]:
        yield feed.books.snapshot(self.now_us)

    def _instruments(self, inst_type: InstType) -> Iterable[Publication]:
        stream = f"instruments:{inst_type}"
        listed = (listing for listing in self.listed if listing.inst_type == inst_type)
        payload = push(stream, instrument_rows(listed))
        yield Publication(stream, lambda _: payload)


def _nothing() -> Iterable[Publication]:
    return ()
