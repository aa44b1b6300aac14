"""A publisher under load against a real server, and the comparison of what came of it."""

import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from time import time_ns
from typing import Any

import trio
import trio.testing
from structlog.testing import capture_logs
from structlog.typing import EventDict

from mprism.nursery.backoff import Backoff
from mprism.nursery.jetstream import open_loop
from mprism.nursery.publisher import EventChannel, run_publisher
from mprism.nursery.stored import read_stream
from mprism.schema import Event, MessageEncoder, OrderBook, Route, Trade, rfc3339
from mprism.settings import NatsSettings
from mprism.state import BrokerState, BrokerStatus, PublisherState

SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT")
QUICK = Backoff(first_seconds=0.02, cap_seconds=0.1)
SETTINGS = NatsSettings(gather_seconds=0.001, ack_timeout_seconds=2.0, connect_timeout_seconds=1.0)


def trade(number: int, symbol: str = SYMBOLS[0]) -> Trade:
    now = time_ns()
    return Trade(
        **common(symbol, now),
        trade_id=str(number),
        price="60000.10",
        quantity="0.001",
        side="buy",
        is_maker=False,
    )


def book(number: int, symbol: str = SYMBOLS[0], levels: int = 5) -> OrderBook:
    side = [("60000.10", "1.5")] * levels
    return OrderBook(
        **common(symbol, time_ns()),
        update_type="update",
        last_update_id=number,
        prev_update_id=number - 1,
        bids=side,
        asks=side,
        best_bid_price=None,
        best_bid_quantity=None,
        best_ask_price=None,
        best_ask_quantity=None,
        depth_levels=levels,
    )


def common(symbol: str, now: int) -> dict[str, Any]:
    return {
        "exchange": "binance_spot",
        "market_type": "spot",
        "symbol": symbol,
        "instrument_id": symbol.replace("-", ""),
        "timestamp": rfc3339(now),
        "ts_event": now,
        "ts_recv": now,
        "quantity_unit": "base",
        "contract_size": None,
    }


class Publishing:
    """A running publisher; made by `open_publishing`."""

    def __init__(
        self,
        send: trio.MemorySendChannel[list[Event]],
        scope: trio.CancelScope,
        logs: list[EventDict],
    ) -> None:
        self.logs = logs
        self.state = PublisherState()
        self.broker = BrokerState()
        self.scope = scope  # cancelling it is the end of patience when draining
        self.ended = trio.Event()
        self.recovered: list[set[Route]] = []
        self._send = send
        self._numbers = count(1)
        self._encode = MessageEncoder().encode
        self.sent: dict[str, list[str]] = {}  # subject -> message ids

    async def send(self, events: Sequence[Event]) -> None:
        await self._send.send(list(events))
        for event in events:
            message = self._encode(event)
            self.sent.setdefault(message.route.subject, []).append(message.message_id)

    async def load(self, lists: int) -> None:
        """So many lists of a trade and a book update for each symbol."""
        for _ in range(lists):
            number = next(self._numbers)
            await self.send([make(number, s) for s in SYMBOLS for make in (trade, book)])

    async def load_for_ever(self) -> None:
        while True:
            await self.load(5)
            await trio.sleep(0.002)  # some 15,000 messages a second

    async def close(self) -> None:
        """No more events: the publisher drains and ends."""
        await self._send.aclose()

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(20):
            while not condition():
                assert not self.ended.is_set()
                await trio.sleep(0.002)

    async def until_acknowledged(self, more: int) -> None:
        """So many messages from now on."""
        goal = self.state.acknowledged + more
        await self.until(lambda: self.state.acknowledged >= goal)

    async def until_sent(self, more: int) -> None:
        """So many messages from now on are handed to the publisher."""
        goal = self.sent_count + more
        await self.until(lambda: self.sent_count >= goal)

    async def until_away(self) -> None:
        await self.until(lambda: self.broker.status is BrokerStatus.AWAY)

    async def until_connected(self) -> None:
        await self.until(lambda: self.broker.status is BrokerStatus.CONNECTED)

    @property
    def sent_count(self) -> int:
        return sum(map(len, self.sent.values()))

    async def compare(self, url: str) -> None:
        """What was sent was stored once and in order, or it was dropped and counted."""
        stored: dict[str, list[str]] = {}
        async with read_stream(url, "MARKET_DATA") as batches:
            async for batch in batches:
                for message in batch:
                    assert message.message_id is not None
                    stored.setdefault(message.subject, []).append(message.message_id)
        kept = 0
        for subject, ids in stored.items():
            twice = [each for each, times in Counter(ids).items() if times > 1]
            assert not twice, f"stored twice: {twice}"
            places = {each: place for place, each in enumerate(self.sent[subject])}
            order = [places[each] for each in ids]
            assert order == sorted(order), f"out of order: {subject}"
            kept += len(ids)
        state = self.state
        assert kept == state.acknowledged
        assert self.sent_count == kept + state.dropped.total()
        assert self.sent_count == sum(d.received for d in state.deliveries.values())
        assert kept == sum(d.published for d in state.deliveries.values())


@asynccontextmanager
async def open_publishing(
    urls: Callable[[], Sequence[str]], settings: NatsSettings = SETTINGS, channel_size: int = 256
) -> AsyncIterator[Publishing]:
    """At the end the channel is closed, and the publisher has ended."""
    send, receive = trio.open_memory_channel[list[Event]](channel_size)
    with capture_logs() as logs:
        async with open_loop():
            async with _running(
                Publishing(send, trio.CancelScope(), logs), receive, urls, settings
            ) as publishing:
                yield publishing
            gc.collect()  # what nats-py left behind would show now
            await trio.testing.wait_all_tasks_blocked()
    assert not [line for line in logs if line["event"] == "stray asyncio error"]


@asynccontextmanager
async def _running(
    publishing: Publishing,
    receive: EventChannel,
    urls: Callable[[], Sequence[str]],
    settings: NatsSettings,
) -> AsyncIterator[Publishing]:
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with publishing.scope:
                await run_publisher(
                    receive,
                    urls=urls,
                    settings=settings,
                    broker=publishing.broker,
                    state=publishing.state,
                    on_recovered=publishing.recovered.append,
                    backoff=QUICK,
                    task_status=task_status,
                )
            publishing.ended.set()

        await nursery.start(run)
        yield publishing
        await publishing.close()
        with trio.fail_after(20):
            await publishing.ended.wait()
