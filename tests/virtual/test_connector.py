"""Connections to one host are opened no faster than it allows, whoever opens them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.binance.venue import BinanceVenue
from mprism.feeds.errors import NetworkFault
from mprism.feeds.weight import Limit
from mprism.nursery import exchange
from mprism.nursery.exchange import Connector, Hosts, host_of
from mprism.settings import ExchangeSettings

from .scripted import ScriptedConnection
from .scripted_poll import clock

HOST = "wss://ws.exchange.test:8443"
SETTINGS = ExchangeSettings(open_timeout_seconds=3.0, max_frame_bytes=100_000)


class Slow(BinanceVenue):
    """Grants four connections in ten seconds, of which two are for us."""

    @property
    def connects(self) -> Limit:
        return Limit(4, 10.0)


class Opened:
    """Every attempt to open a connection."""

    def __init__(self) -> None:
        self.attempts: list[tuple[float, str]] = []
        self.fails = False

    @asynccontextmanager
    async def open_websocket(
        self, url: str, *, open_timeout_seconds: float, max_frame_bytes: int
    ) -> AsyncIterator[ScriptedConnection]:
        assert (open_timeout_seconds, max_frame_bytes) == (3.0, 100_000)
        self.attempts.append((round(trio.current_time(), 3), url.removeprefix(HOST)))
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise NetworkFault("no route")
        yield ScriptedConnection([])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    scripted = Opened()
    monkeypatch.setattr(exchange, "open_websocket", scripted.open_websocket)
    monkeypatch.setattr(exchange, "time", clock)
    return scripted


async def connect(connector: Connector, url: str, times: int = 1) -> None:
    for _ in range(times):
        async with connector.connect(url):
            pass


def connectors(*markets: Market) -> list[Connector]:
    hosts = Hosts()
    return [Connector(Slow(market), SETTINGS, hosts) for market in markets]


async def test_attempts_wait_for_their_window(autojump_clock: MockClock, opened: Opened) -> None:
    (connector,) = connectors(SPOT)
    await connect(connector, f"{HOST}/a", times=5)
    assert [at for at, _ in opened.attempts] == [0, 0, 10, 10, 20]


async def test_all_that_go_to_one_host_share_its_attempts(
    autojump_clock: MockClock, opened: Opened
) -> None:
    """Two exchanges, and several paths."""
    spot, derivatives = connectors(SPOT, USDM)
    async with trio.open_nursery() as nursery:
        for connector in (spot, derivatives):
            for path in ("/public", "/business", "/business"):
                nursery.start_soon(connect, connector, HOST + path)
        # Another host, and another port of the same, have their own.
        nursery.start_soon(connect, spot, "wss://other.test/a", 2)
        nursery.start_soon(connect, spot, "wss://ws.exchange.test:443/a", 2)
    of_host = [at for at, path in opened.attempts if path in ("/public", "/business")]
    assert of_host == [0, 0, 10, 10, 20, 20]
    assert [at for at, path in opened.attempts if path not in ("/public", "/business")] == [0] * 4


async def test_a_failed_attempt_counts(autojump_clock: MockClock, opened: Opened) -> None:
    (connector,) = connectors(SPOT)
    opened.fails = True
    for _ in range(3):
        with pytest.raises(NetworkFault, match="no route"):
            await connect(connector, f"{HOST}/a")
    assert [at for at, _ in opened.attempts] == [0, 0, 10]


async def test_a_connection_that_stays_open_costs_nothing_more(
    autojump_clock: MockClock, opened: Opened
) -> None:
    (connector,) = connectors(SPOT)
    async with connector.connect(f"{HOST}/a"):
        await trio.sleep(15)
        await connect(connector, f"{HOST}/b", times=2)
    assert opened.attempts == [(0, "/a"), (15, "/b"), (15, "/b")]


def test_exchanges_at_one_address_share_their_budgets() -> None:
    hosts, own = Hosts(), ExchangeSettings()
    shared = ExchangeSettings(rest_url="http://127.0.0.1:1", rest_weight_share=0.25)
    one = hosts.budgets(Slow(SPOT), shared)
    assert hosts.budgets(Slow(USDM), shared) is one
    assert one.of("weight").share == 0.25
    assert one.of("weight").limit == SPOT.limits["weight"].weight
    apart = hosts.budgets(Slow(USDM), own)
    assert apart is not one
    assert apart is not hosts.budgets(Slow(SPOT), own)
    assert Hosts().budgets(Slow(SPOT), shared) is not one


@pytest.mark.parametrize("shares", [(0.25, 0.5), (0.5, 0.25)])
def test_the_least_share_holds_for_an_address(shares: tuple[float, float]) -> None:
    hosts = Hosts()
    for share in shares:
        hosts.budgets(Slow(SPOT), ExchangeSettings(rest_weight_share=share))
    assert hosts.budgets(Slow(SPOT), ExchangeSettings()).of("weight").share == 0.25


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("wss://a.test/ws/v5/public", "a.test"),
        ("wss://a.test:8443/ws?b=/c", "a.test:8443"),
        ("ws://127.0.0.1:9001", "127.0.0.1:9001"),
        ("ws://[::1]:9001/x", "[::1]:9001"),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host
