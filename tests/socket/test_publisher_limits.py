"""The publisher at its limits: what is dropped is counted, and when feeds wait instead."""

from pathlib import Path

import msgspec
import trio
import trio.testing

from mprism.nursery.jetstream import open_loop
from mprism.state import BrokerStatus
from tests.socket.nats_fixture import both_servers, open_nats
from tests.socket.publishing import SETTINGS, book, open_publishing, trade


@both_servers
async def test_what_does_not_fit_into_memory_is_dropped_and_counted(
    tmp_path: Path, binary: Path
) -> None:
    settings = msgspec.structs.replace(SETTINGS, backlog_bytes=1_048_576)
    async with open_nats(tmp_path, binary) as server:
        async with open_publishing(lambda: server.urls, settings) as publishing:
            await publishing.load(10)
            await publishing.until_acknowledged(0)
            await server.kill()
            await publishing.until_away()
            await publishing.load(600)
            await publishing.until(lambda: publishing.state.dropped.total() > 500)
            assert publishing.state.backlog_bytes <= 1_048_576
            assert publishing.recovered == []
            await server.start()
            await publishing.until(lambda: publishing.recovered != [])
        state = publishing.state
        assert set(state.dropped) == {("backlog_full", "orderbook")}, "books before trades"
        [books] = publishing.recovered
        assert {route.subject for route in books} == {
            subject for subject in publishing.sent if subject.startswith("orderbook")
        }
        async with open_loop():
            await publishing.compare(server.url)


async def test_books_are_not_asked_for_before_something_is_stored(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, backlog_bytes=1_048_576, ack_timeout_seconds=0.3)
    denial = tmp_path / "nats.conf"
    user = '{ user: u, password: p, permissions: { publish: { deny: "*.binance_spot.>" } } }'
    denial.write_text(f"no_auth_user: u, authorization {{ users: [{user}] }}")
    async with open_nats(tmp_path) as server:
        await server.kill()
        async with open_publishing(lambda: server.urls, settings) as publishing:
            await publishing.load(600)
            await publishing.until(lambda: publishing.state.dropped.total() > 500)
            server.arguments = ("--config", str(denial))
            await server.start()
            await publishing.until(lambda: "permissions viol" in (publishing.broker.reason or ""))
            assert publishing.broker.connects > 0
            assert publishing.recovered == []
            await server.stop()
            server.arguments = ()
            await server.start()
            await publishing.until(lambda: publishing.recovered != [])


async def test_a_server_that_stores_nothing_stays_away(tmp_path: Path) -> None:
    """It can be reached, and every attempt connects: that alone must not pass for health."""
    settings = msgspec.structs.replace(SETTINGS, ack_timeout_seconds=0.3)
    denial = tmp_path / "nats.conf"
    user = '{ user: u, password: p, permissions: { publish: { deny: "*.binance_spot.>" } } }'
    denial.write_text(f"no_auth_user: u, authorization {{ users: [{user}] }}")
    async with open_nats(tmp_path) as server:
        server.arguments = ("--config", str(denial))
        await server.stop()
        await server.start()
        async with open_publishing(lambda: server.urls, settings) as publishing:
            await publishing.until_connected()
            await publishing.load(1)
            await publishing.until_away()
            since = publishing.broker.down_since
            connects = publishing.broker.connects
            await publishing.until(lambda: publishing.broker.connects > connects + 2)
            assert publishing.broker.status is BrokerStatus.AWAY
            assert publishing.broker.down_since == since
            await server.stop()
            server.arguments = ()
            await server.start()
            await publishing.until_connected()
            assert publishing.state.acknowledged > 0


async def test_while_the_server_takes_messages_the_feeds_wait_instead(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, backlog_bytes=1_048_576)
    large = [book(number, levels=500) for number in range(1_000)]
    async with open_nats(tmp_path) as server:
        async with open_publishing(lambda: server.urls, settings, channel_size=1) as publishing:
            await publishing.send([trade(0)])
            await publishing.until_acknowledged(1)
            for at in range(0, len(large), 50):
                await publishing.send(large[at : at + 50])
        assert not publishing.state.dropped
        assert publishing.state.acknowledged == 1_001


async def test_a_drain_without_a_server_ends_with_the_patience_of_the_caller(
    tmp_path: Path,
) -> None:
    async with open_nats(tmp_path) as server:
        async with open_publishing(lambda: server.urls) as publishing:
            await publishing.load(10)
            await publishing.until_acknowledged(60)
            server.pause()
            await publishing.load(20)
            await publishing.until(lambda: publishing.state.messages_in_flight == 120)
            await server.kill()
            await publishing.until_away()
            await publishing.load(10)
            await publishing.close()
            await publishing.until(lambda: publishing.state.backlog_messages == 180)
            publishing.scope.cancel()
        assert publishing.broker.status is BrokerStatus.STOPPED
        assert publishing.state.dropped == {
            ("unconfirmed", "trade"): 60,
            ("unconfirmed", "orderbook"): 60,
            ("stopped", "trade"): 30,
            ("stopped", "orderbook"): 30,
        }
        await server.start()
        async with open_loop():
            await publishing.compare(server.url)


async def test_what_still_lies_in_the_channel_is_counted_when_it_gives_up(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, gather_seconds=1.0)
    async with open_nats(tmp_path) as server:
        async with open_publishing(lambda: server.urls, settings) as publishing:
            await publishing.load(3)
            await trio.testing.wait_all_tasks_blocked()
            publishing.scope.cancel()
        assert publishing.state.dropped.total() == publishing.sent_count == 18


async def test_what_no_server_takes_is_dropped_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server:
        async with open_publishing(lambda: server.urls) as publishing:
            await publishing.send([trade(1), book(1, levels=50_000), trade(2)])
        assert publishing.state.dropped == {("too_large", "orderbook"): 1}
        assert publishing.broker.connects == 1
        assert publishing.recovered == []
        async with open_loop():
            await publishing.compare(server.url)


async def test_with_nothing_left_it_ends_without_a_server() -> None:
    async with open_publishing(lambda: ("nats://127.0.0.1:1",)) as publishing:
        await publishing.until_away()
        await publishing.close()
        with trio.fail_after(1):
            await publishing.ended.wait()
