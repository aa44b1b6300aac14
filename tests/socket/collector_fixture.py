"""The whole collector in this process, against simulated exchanges and a real nats-server."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import wait_all_tasks_blocked

from mprism import __version__
from mprism.configuration import in_force
from mprism.demo.compare import Comparison
from mprism.demo.result import Result
from mprism.http.server import HttpAddresses
from mprism.nursery.jetstream import open_loop
from mprism.nursery.root import run_collector
from mprism.nursery.stored import StoredMessage, read_stream
from mprism.schema import decode
from mprism.settings import (
    BackoffSettings,
    ExchangeName,
    ExchangeSettings,
    HttpSettings,
    NatsSettings,
    Settings,
    SystemSettings,
)
from mprism.simulator import BinanceSimulator
from mprism.state import CollectorState, FeedState, FeedStatus
from tests.socket.markets import Market, Markets

PATIENCE = 20.0  # seconds for a condition to come true, on a machine with other work
_POLL = 0.02

HTTP = HttpSettings(
    port=0, metrics_port=0, grace_seconds=0.3, start_grace_seconds=60, silent_after_seconds=60
)
"""A short grace: what a test looks for lasts until the test ends it."""

EXCHANGE = ExchangeSettings(
    backoff=BackoffSettings(first_seconds=0.05, cap_seconds=0.2, refused_seconds=0.5)
)
"""Short waits after failures."""


class Answer(NamedTuple):
    """An HTTP answer: its status and its JSON."""

    status: int
    body: Any

    def check(self, name: str) -> dict[str, Any]:
        """The check of this name in an answer of /health."""
        found: dict[str, Any] = next(c for c in self.body["checks"] if c["name"] == name)
        return found


@dataclass
class Collector:
    """A running collector; made by `open_collector`."""

    settings: Settings
    state: CollectorState
    markets: list[Market]
    stop: trio.Event
    ended: trio.Event
    addresses: HttpAddresses
    http: httpx.AsyncClient

    @property
    def simulators(self) -> list[BinanceSimulator]:
        """The simulated markets."""
        return [market.simulator for market in self.markets]

    def feed(self, part: str) -> FeedState:
        """The only feed with `part` in its name."""
        (found,) = (feed for name, feed in self.state.feeds.items() if part in name)
        return found

    @property
    def live(self) -> bool:
        """Whether every feed has valid data and every book is in sequence."""
        feeds = list(self.state.feeds.values())
        books = {symbol for feed in feeds for symbol in feed.books_out}
        return (
            len({feed.exchange for feed in feeds}) == len(self.markets)
            and all(feed.status is FeedStatus.LIVE for feed in feeds)
            and not books
        )

    async def get(self, path: str, *, metrics_port: bool = False) -> Answer:
        """The JSON that `path` answers, on the first port or that of the metrics."""
        base = self.addresses.metrics if metrics_port else self.addresses.http
        answer = await self.http.get(base + path)
        return Answer(answer.status_code, answer.json())

    async def until(self, path: str, condition: Callable[[Answer], bool]) -> Answer:
        """Ask `path` again and again until `condition` holds for the answer."""
        answer: Answer | None = None
        with trio.move_on_after(PATIENCE):
            while True:
                answer = await self.get(path)
                if condition(answer):
                    return answer
                await trio.sleep(_POLL)
        raise AssertionError(f"{path} never said so; at last: {answer}")

    async def metrics(self, *, metrics_port: bool = False) -> dict[str, float]:
        """Every sample of /metrics: `name{label="value",...}` with labels in order -> value."""
        base = self.addresses.metrics if metrics_port else self.addresses.http
        text = (await self.http.get(base + "/metrics")).text
        return {
            _sample_name(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def trade_until(self, condition: Callable[[], bool], *, orders: int = 1) -> None:
        """Let markets that were opened with rate 0 trade until `condition` holds."""
        await eventually(condition, lambda: self.trade(orders=orders))

    async def trade(self, milliseconds: int = 100, *, orders: int = 1) -> None:
        """Let markets that were opened with rate 0 trade for so long."""
        for simulator in self.simulators:
            await simulator.step(milliseconds, orders=orders)

    async def settled(self) -> None:
        """The markets stop; return when all that was received is stored, or counted."""
        for simulator in self.simulators:
            assert await simulator.stop_market()
        await self.delivered()

    async def delivered(self) -> None:
        """Return when nothing moves any more and all that was received is accounted for."""
        publisher = self.state.publisher
        with trio.fail_after(PATIENCE):
            while True:
                await wait_all_tasks_blocked(0.05)
                received = sum(d.received for d in publisher.deliveries.values())
                if received == publisher.acknowledged + publisher.dropped.total():
                    return

    async def finish(self) -> None:
        """Ask for the stop and wait for the end."""
        self.stop.set()
        with trio.fail_after(self.settings.system.stop_timeout_seconds + 5):
            await self.ended.wait()


def _sample_name(name: str, labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


async def eventually(
    condition: Callable[[], bool], meanwhile: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Return when `condition` holds; `meanwhile` is done before each look at it."""
    with trio.fail_after(PATIENCE):
        while not condition():
            if meanwhile is not None:
                await meanwhile()
            await trio.sleep(_POLL)


@asynccontextmanager
async def open_collector(
    nats: NatsSettings | str,
    markets: Markets,
    *,
    http: HttpSettings = HTTP,
    exchange: ExchangeSettings | Mapping[ExchangeName, ExchangeSettings] = EXCHANGE,
    stop_timeout: float = 10.0,
) -> AsyncIterator[Collector]:
    """Run the collector on `markets`, which end before it does, and the broker of `nats`.

    `exchange` is for all exchanges, or by the name of each.
    """
    no_more, gone = trio.Event(), trio.Event()
    stop, ended = trio.Event(), trio.Event()

    async def serve_markets(*, task_status: trio.TaskStatus[list[Market]]) -> None:
        async with markets as opened:
            task_status.started(opened)
            await no_more.wait()
        gone.set()

    async def run(*, task_status: trio.TaskStatus[HttpAddresses]) -> None:
        await run_collector(settings, state, stop, task_status=task_status)
        ended.set()

    async with (
        httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client,
        trio.open_nursery() as nursery,
    ):
        opened = await nursery.start(serve_markets)
        settings = Settings(
            system=SystemSettings(stop_timeout_seconds=stop_timeout),
            nats=NatsSettings(url=nats) if isinstance(nats, str) else nats,
            http=http,
            exchanges=_exchanges(opened, exchange),
        )
        state = CollectorState(version=__version__, configuration=in_force(settings))
        addresses = await nursery.start(run)
        collector = Collector(settings, state, opened, stop, ended, addresses, client)
        yield collector
        no_more.set()
        await gone.wait()
        await collector.finish()


def _exchanges(
    markets: list[Market], exchange: ExchangeSettings | Mapping[ExchangeName, ExchangeSettings]
) -> dict[ExchangeName, ExchangeSettings]:
    names: list[ExchangeName] = [market.simulator.exchange for market in markets]  # type: ignore[misc]
    return {
        name: market.endpoints(exchange[name] if isinstance(exchange, Mapping) else exchange)
        for name, market in zip(names, markets, strict=True)
    }


async def stored_in(url: str, stream: str = "MARKET_DATA") -> list[StoredMessage]:
    """Everything that the stream holds, in order."""
    async with open_loop(), read_stream(url, stream) as batches:
        return [message async for batch in batches for message in batch]


def compare(
    stored: Sequence[StoredMessage],
    simulators: Sequence[BinanceSimulator],
    data_types: Container[str] = EXCHANGE.data_types,
) -> tuple[list[Result], list[str]]:
    """What is wrong with what was stored: a result per exchange and data type, and words."""
    comparison = Comparison([simulator.truth for simulator in simulators])
    for message in stored:
        comparison.read(decode(message.payload))
    # The tests count resynchronisations themselves.
    results = comparison.end({simulator.exchange: sys.maxsize for simulator in simulators})
    # The simulated markets give more than is asked of them.
    asked = [result for result in results if result.data_type in data_types or result.stored]
    return asked, comparison.problems.texts


def assert_right(stored: Sequence[StoredMessage], simulators: Sequence[BinanceSimulator]) -> None:
    """Every trade that was read is stored once and in order, and no book is wrong."""
    results, problems = compare(stored, simulators)
    assert not problems
    assert all(result.is_right for result in results), results
