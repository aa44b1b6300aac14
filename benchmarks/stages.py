"""One stage of the way of a message in a process of its own: `python -m benchmarks.stages`.

The stages contain each other: `bare` is a plain trio-websocket loop, `receive` takes lists
of frames, `protocol` makes events of them, `encode` makes messages of these, and `publish` is
the whole collector. From `protocol` on it is the collector's own code; only what follows
the stage is replaced. So the difference of two stages is the cost of what the second adds.

The order comes as JSON in the only argument. The process prints READY when it has what
comes before the measured frames, and then its measurement, a line each.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio
import trio_websocket

from benchmarks.measurement import Measurement, Meter, Order, Stage
from mprism.feeds.feed import Feed
from mprism.feeds.transport import open_websocket
from mprism.feeds.venue import ConnectionPlan
from mprism.logs import configure_logging
from mprism.nursery.exchange import Hosts, run_exchange
from mprism.nursery.root import run_collector
from mprism.schema import Event, MessageEncoder
from mprism.settings import (
    ExchangeSettings,
    HttpSettings,
    LoggingSettings,
    NatsSettings,
    Settings,
)
from mprism.state import CollectorState, Histogram


class _Count:
    frames = 0


async def _receive_frames(order: Order, receive: Callable[..., Awaitable[None]]) -> Measurement:
    """Both connections in tasks of their own, as the collector has them."""
    count = _Count()
    meter = Meter(order)
    before = len(order.connections) + order.lead_in  # acknowledgements and first updates
    async with trio.open_nursery() as nursery:
        for path, streams in order.connections.items():
            request = {"method": "SUBSCRIBE", "params": streams, "id": 1}
            url = f"ws://127.0.0.1:{order.port}{path}"
            nursery.start_soon(receive, url, msgspec.json.encode(request).decode(), count)
        await meter.measure(
            lambda: count.frames >= before, lambda: count.frames, before + order.frames
        )
        nursery.cancel_scope.cancel()
    return meter.result(count.frames - before)


async def _bare(url: str, request: str, count: _Count) -> None:
    async with trio_websocket.open_websocket_url(url) as websocket:
        await websocket.send_message(request)
        while True:
            await websocket.get_message()
            count.frames += 1


async def _lists(url: str, request: str, count: _Count) -> None:
    limit = ExchangeSettings().max_frame_bytes
    async with open_websocket(url, open_timeout_seconds=10, max_frame_bytes=limit) as connection:
        await connection.send(request)
        while True:
            frames, _ = await connection.receive()
            count.frames += len(frames)


class _Nowhere:
    """Takes the place of the channel to the publisher."""

    def __init__(self, *, encode: bool) -> None:
        self._encode = MessageEncoder().encode if encode else None

    async def send(self, value: list[Event]) -> None:
        if self._encode is not None:
            for event in value:
                self._encode(event)
        await trio.lowlevel.checkpoint()


def _settings(order: Order) -> Settings:
    """The collector's defaults, but for the addresses."""
    exchange = ExchangeSettings(
        symbols=tuple(order.symbols),
        websocket_url=f"ws://127.0.0.1:{order.port}",
        rest_url=f"http://127.0.0.1:{order.port}",
    )
    return Settings(
        nats=NatsSettings(url=order.nats_url or None),
        http=HttpSettings(port=0, metrics_port=0),
        exchanges={"binance_derivatives": exchange},
    )


def _books_live(order: Order, state: CollectorState) -> bool:
    feeds = state.feeds.values()
    return (
        sum(len(feed.books_live) for feed in feeds) == len(order.symbols)
        and sum(feed.frames for feed in feeds) >= len(order.connections) + order.lead_in
    )


async def _feeds(order: Order) -> Measurement:
    """The collector's feeds without what comes after them."""
    state = CollectorState("", {})
    settings = _settings(order)
    feeds: dict[str, Feed[ConnectionPlan]] = {}
    meter = Meter(order)
    before = len(order.connections) + order.lead_in

    def frames() -> int:
        return sum(feed.frames for feed in state.feeds.values()) - before

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            run_exchange,
            "binance_derivatives",
            settings.exchanges["binance_derivatives"],
            state,
            _Nowhere(encode=order.stage == "encode"),
            feeds,
            trio.Event(),
            Hosts(),
        )
        await meter.measure(lambda: _books_live(order, state), frames, order.frames)
        nursery.cancel_scope.cancel()
    return meter.result(frames(), state)


async def _collector(order: Order) -> Measurement:
    """All of it, until everything is acknowledged, then a stop as a signal would cause it."""
    state = CollectorState("", {})
    meter = Meter(order)
    stop = trio.Event()

    def ready() -> bool:
        if not _books_live(order, state) or state.publisher.backlog_messages:
            return False
        state.publisher.latency = Histogram()  # of the start
        return True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_collector, _settings(order), state, stop)
        await meter.measure(ready, lambda: state.publisher.acknowledged, order.messages)
        frames = sum(feed.frames for feed in state.feeds.values())
        stop.set()
    return meter.result(frames - len(order.connections) - order.lead_in, state)


def main() -> None:
    """Carry out the order in the only argument."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    if order.cores:
        os.sched_setaffinity(0, order.cores)
    configure_logging(LoggingSettings(level="ERROR"))
    runs: dict[Stage, Callable[[Order], Awaitable[Measurement]]] = {
        "bare": partial(_receive_frames, receive=_bare),
        "receive": partial(_receive_frames, receive=_lists),
        "protocol": _feeds,
        "encode": _feeds,
        "publish": _collector,
    }
    print(msgspec.json.encode(trio.run(runs[order.stage], order)).decode(), flush=True)


if __name__ == "__main__":
    main()
