"""Malformed input through a real socket: counted, logged once, and never the end of a feed."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from mprism.simulator import BinanceSimulator, Outcome
from mprism.simulator.faults import MALFORMED_KINDS, MalformFrames
from mprism.simulator.wire import BINARY, frame
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

SPOT = "binance_spot/stream-1"
LIMIT = 1_048_576
SMALL_FRAMES = msgspec.structs.replace(EXCHANGE, max_frame_bytes=LIMIT)

GOOD_TRADE: dict[str, Any] = {
    "e": "trade",
    "E": 1_700_000_000_000,
    "s": "BTCUSDT",
    "t": 10**12,
    "p": "65000.00",
    "q": "0.5",
    "T": 1_700_000_000_000,
    "m": True,
}
GOOD_DEPTH: dict[str, Any] = {
    "e": "depthUpdate",
    "E": 1_700_000_000_000,
    "s": "BTCUSDT",
    "U": 1,
    "u": 2,
    "b": [],
    "a": [],
}


def on(stream: str, data: object) -> bytes:
    return msgspec.json.encode({"stream": stream, "data": data})


def trade(**changes: object) -> bytes:
    return on("btcusdt@trade", {**GOOD_TRADE, **changes})


def depth(**changes: object) -> bytes:
    return on("btcusdt@depth@100ms", {**GOOD_DEPTH, **changes})


def without(event: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != key}


# Text frames, and the reason under which each is counted.
FRAMES: Sequence[tuple[bytes, str]] = (
    (b"", "invalid JSON"),
    (b"\xef\xbb\xbf{}", "invalid JSON"),
    (b"<html>502 Bad Gateway</html>", "invalid JSON"),
    (trade()[:60], "invalid JSON"),
    (trade() + b"}", "invalid JSON"),
    (trade().replace(b'"0.5"', b"NaN"), "invalid JSON"),
    (trade().replace(b'"0.5"', b"-Infinity"), "invalid JSON"),
    (trade().replace(b"65000", b"\\ud800"), "invalid JSON"),
    (b"[" * 100_000, "invalid JSON"),
    (b'{"data":' * 100_000, "invalid JSON"),
    (b"[]", "not an object"),
    (b"null", "not an object"),
    (b"42", "not an object"),
    (b'"trade"', "not an object"),
    (b"{}", "unknown answer"),
    (on("btcusdt@trade", None), "unknown answer"),
    (b'{"result":null,"id":99}', "unknown answer"),
    (b'{"code":3,"msg":"Invalid JSON"}', "error answer"),
    (b'{"error":{"code":2,"msg":"Invalid request"},"id":99}', "error answer"),
    (on("btcusdt@trade", []), "malformed frame"),
    (on("btcusdt@trade", {}), "malformed frame"),
    (on("btcusdt@trade", "trade"), "malformed frame"),
    (b'{"stream":7,"data":{}}', "malformed frame"),
    (trade(e="somethingNew"), "unknown event"),
    (trade(e="somethingHuge", pad="x" * (LIMIT - 1_000)), "unknown event"),
    (on("solusdt@trade", GOOD_TRADE), "not subscribed"),
    (trade(p={"not": "this"}), "malformed event"),
    (trade(p=65000.0), "malformed event"),
    (trade(t="7"), "malformed event"),
    (trade(t=-1), "malformed event"),
    (trade(t=1.5), "malformed event"),
    (trade(t=2**64), "malformed event"),
    (trade(T=2**62), "malformed event"),
    (trade(m=None), "malformed event"),
    (trade(s="ETHUSDT"), "malformed event"),
    (on("btcusdt@trade", without(GOOD_TRADE, "q")), "malformed event"),
    (on("btcusdt@trade", GOOD_DEPTH), "malformed event"),
    (depth(U="1"), "malformed event"),
    (depth(u=None), "malformed event"),
    (on("btcusdt@depth@100ms", without(GOOD_DEPTH, "u")), "malformed event"),
    (trade(q="-1.5"), "malformed trade"),
    (trade(q="NaN"), "malformed trade"),
    (trade(q=""), "malformed trade"),
    (trade(p="1e5"), "malformed trade"),
    (trade(p="0x10"), "malformed trade"),
    (trade(e="x" * LIMIT), "oversized frame"),
    (trade(pad="x" * 2 * LIMIT), "oversized frame"),
)


def write(simulator: BinanceSimulator, data: bytes) -> None:
    """Write whole WebSocket frames to the only client of `simulator`."""
    (connection,) = simulator.subscribers.connections
    connection.outbox.put(data)


async def test_no_malformed_frame_ends_the_feed(tmp_path: Path) -> None:
    expected = Counter([reason for _, reason in FRAMES])
    expected["binary frame"] += 2
    with capture_logs() as logs:
        async with (
            open_nats(tmp_path) as nats,
            open_collector(nats.url, open_markets("spot"), exchange=SMALL_FRAMES) as collector,
        ):
            (simulator,) = collector.simulators
            feed = await live_feed(collector)
            for payload, _ in FRAMES:
                write(simulator, frame(payload))
                await collector.trade(10)
            write(simulator, frame(b"\x00\x01\xfe\xff", BINARY))
            write(simulator, frame(trade(), BINARY))
            await eventually(lambda: feed.rejected.total() >= expected.total())
            assert feed.rejected == expected
            assert (feed.connects, feed.attempts, feed.resyncs) == (1, 0, 0)
            assert collector.live
            health = await collector.get("/health")
            assert f"{expected.total()} (" in health.check(f"rejected:{SPOT}")["reason"]
            await collector.settled()
            assert feed.gaps == {}
            assert_right(await stored_in(nats.url), collector.simulators)
    lines = Counter(line["reason"] for line in logs if line["event"] == "frame rejected")
    assert lines == dict.fromkeys(expected, 1)


async def live_feed(collector: Collector) -> Any:
    await collector.trade_until(lambda: collector.live)
    return collector.feed(SPOT)


BAD_LEVELS: list[Any] = [
    None,
    {},
    "65000.00",
    [["65000.00"]],
    [["65000.00", "1", "2"]],
    [["65000.00", None]],
    [[65000, 1]],
    [[]],
    [["65000.00", "-1"]],
    [["-65000.00", "1"]],
    [["65000.00", "NaN"]],
    [["nothing", "1"]],
    [["65000.00", "1e400"]],
]


async def test_levels_that_are_no_amounts_cost_one_book_its_sequence(tmp_path: Path) -> None:
    """Such an event is in sequence, so nothing else would tell that the book is not true."""
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets("spot")) as collector,
    ):
        (simulator,) = collector.simulators
        feed = await live_feed(collector)
        for n, levels in enumerate(BAD_LEVELS, 1):
            await collector.trade()
            await collector.delivered()
            last_id = simulator.market.feeds["BTCUSDT"].market.book.update_id
            requests = simulator.counts["requests"]
            write(simulator, frame(depth(U=last_id + 1, u=last_id + 1, b=levels)))
            await eventually(lambda n=n: feed.resyncs == n)  # type: ignore[misc]
            assert feed.rejected == {"malformed levels": n}
            assert list(feed.books_out) == ["BTC-USDT"]
            assert feed.books_live == {"ETH-USDT"}
            await collector.trade_until(lambda: collector.live)
            assert simulator.counts["requests"] == requests + 1
        assert feed.connects == 1
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_every_kind_of_damage_on_every_stream(tmp_path: Path, market: str) -> None:
    """Frames that should have been data: what they carried is missing, and counted."""
    kinds = [kind for kind in MALFORMED_KINDS if kind != "bad_utf8"]
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets(market), exchange=SMALL_FRAMES) as collector,
    ):
        (simulator,) = collector.simulators
        await collector.trade_until(lambda: collector.live)
        # Whole updates of live books, however few there are among the damaged ones.
        for _ in range(3):
            await collector.trade(orders=2)
        channel = f"@{simulator.truth.channel}"
        for kind in kinds:
            await simulator.inject(MalformFrames(1, kind, channel))
            await simulator.inject(MalformFrames(1, kind, "@depth"))
        # Every connection takes the faults that fit its streams.
        await collector.trade_until(
            lambda: simulator.counts["frames_malformed"] >= 2 * len(kinds), orders=2
        )
        await collector.trade(orders=2)
        await collector.trade_until(lambda: collector.live)
        await collector.settled()
        feeds = list(collector.state.feeds.values())
        assert [feed.connects for feed in feeds] == [1] * len(feeds)
        # A book that is out of sequence applies no levels: what is wrong with them goes unseen.
        rejected = sum((feed.rejected for feed in feeds), Counter[str]())
        unseen = 2 * len(kinds) - rejected.total()
        assert 0 <= unseen <= 1
        assert {"invalid JSON", "malformed event", "oversized frame"} <= set(rejected)
        lost = simulator.truth.outcomes()[Outcome.MALFORMED]
        assert lost == len(kinds)
        assert sum(feed.gaps["trade"] for feed in feeds) == lost
        assert_right(await stored_in(nats.url), collector.simulators)


async def test_bad_utf8_ends_the_connection_and_the_feed_comes_back(tmp_path: Path) -> None:
    """RFC 6455, section 8.1: the connection must fail, with 1007."""
    async with (
        open_nats(tmp_path) as nats,
        open_collector(nats.url, open_markets("spot")) as collector,
    ):
        (simulator,) = collector.simulators
        feed = await live_feed(collector)
        await simulator.inject(MalformFrames(1, "bad_utf8"))
        assert simulator.counts["ended_by_client"] + simulator.counts["ended_abruptly"] == 1
        await collector.trade_until(lambda: feed.connects == 2 and collector.live)
        assert "1007" in (feed.last_error or "")
        assert feed.rejected == {}
        await collector.settled()
        assert_right(await stored_in(nats.url), collector.simulators)
