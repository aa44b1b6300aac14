"""What is polled keeps the exchange's limits, and never keeps a book or a stream from its own."""

from pathlib import Path

import msgspec

from mprism.schema import decode
from mprism.settings import OFFERED, OrderBookSettings, PollingSettings
from mprism.simulator.faults import Ban, LoseFrames
from mprism.state import FeedState, FeedStatus
from tests.socket.collector_fixture import (
    EXCHANGE,
    Collector,
    assert_right,
    eventually,
    open_collector,
    stored_in,
)
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import open_nats

POLLED = {"open_interest", "lsr_top_position", "lsr_all_account", "funding_info"}
SETTINGS = msgspec.structs.replace(
    EXCHANGE,
    data_types=OFFERED["binance_derivatives"],
    # Each of the pools of limits is asked from.
    polling=PollingSettings(open_interest_seconds=0.1, ratio_seconds=0.1, funding_info_seconds=0.2),
    orderbook=OrderBookSettings(rest_levels=500),
)


def feeds_of(collector: Collector, kind: str) -> list[FeedState]:
    return [feed for feed in collector.state.feeds.values() if feed.kind == kind]


async def test_a_low_limit_is_kept_and_books_do_not_wait_for_polls(tmp_path: Path) -> None:
    rules = {"weight_limit": 100}  # of which 50 are ours, and 30 may be the polls'
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets("usdm", rules=rules), exchange=SETTINGS) as collector,
    ):
        (market,) = collector.simulators
        await collector.trade_until(lambda: collector.live)
        await collector.trade_until(lambda: market.rest.limits.used_weight >= 30)
        # Ratios have a limit of their own. While they are asked for ten times, others are not.
        (ratios,) = (feed for feed in feeds_of(collector, "rest") if "account" in feed.name)
        asked = ratios.frames
        await collector.trade_until(lambda: ratios.frames >= asked + 20)
        # At the end of a minute it takes an answer to learn what is used up of another window.
        assert market.rest.limits.used_weight <= 33
        (books,) = (feed for feed in feeds_of(collector, "websocket") if feed.books_live)
        # A snapshot is 10, and nobody gives those back before the next minute.
        await market.inject(LoseFrames(1, "btcusdt@depth"))
        await collector.trade_until(lambda: books.resyncs == 1)
        await collector.trade_until(lambda: not books.books_out)
        assert market.counts["requests_429"] == market.counts["requests_418"] == 0
        assert market.rest.limits.breaches == 0
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)


async def test_a_ban_stops_all_requests_and_no_stream(tmp_path: Path) -> None:
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets("usdm"), exchange=SETTINGS) as collector,
    ):
        (market,) = collector.simulators
        await collector.trade_until(lambda: collector.live)
        polls, streams = (feeds_of(collector, kind) for kind in ("rest", "websocket"))
        assert len(polls) == len(POLLED)
        document = (await collector.get("/connections")).body
        assert {poller["name"] for poller in document["pollers"]} == {
            f"binance_derivatives/{name}" for name in POLLED
        }
        assert all(poller["connected"] for poller in document["pollers"])
        await market.inject(Ban(3))
        await eventually(lambda: market.counts["requests_418"] > 0)
        answered = market.counts["requests_200"]
        frames = [feed.frames for feed in streams]
        await collector.trade(orders=3)
        await collector.trade_until(
            lambda: all(feed.frames > n for feed, n in zip(streams, frames, strict=True))
        )
        assert {feed.status for feed in streams} == {FeedStatus.LIVE}
        assert FeedStatus.THROTTLED in {feed.status for feed in polls}
        assert market.counts["requests_200"] == answered
        await collector.trade_until(
            lambda: collector.live and market.counts["requests_200"] > answered
        )
        # No more than those that were on their way when the first one was refused.
        assert market.counts["requests_418"] <= 2
        assert market.rest.limits.breaches == 0
        assert all(feed.connects == 1 for feed in streams)
        await collector.settled()
        stored = await stored_in(nats.url)
        assert_right(stored, collector.simulators)
        values = {"funding_rate", "open_interest", "lsr_top_position", "lsr_all_account"}
        assert {decode(message.payload).data_type for message in stored} >= values
