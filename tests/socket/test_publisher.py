"""The publisher against servers that fail: nothing twice, nothing out of order, all of it."""

from pathlib import Path

import msgspec
import trio

from mprism.nursery.jetstream import open_connection, open_loop
from mprism.nursery.stream import call_api, stream_info
from mprism.settings import StreamSettings
from mprism.state import BrokerStatus
from tests.socket.nats_fixture import CURRENT, both_servers, open_nats
from tests.socket.publishing import SETTINGS, open_publishing


@both_servers
async def test_everything_is_delivered_before_it_ends(tmp_path: Path, binary: Path) -> None:
    async with open_nats(tmp_path, binary) as server:
        async with open_publishing(lambda: server.urls) as publishing:
            await publishing.load(1_000)
        state, broker = publishing.state, publishing.broker
        assert state.acknowledged == publishing.sent_count == 6_000
        assert broker.status is BrokerStatus.STOPPED
        assert (broker.connects, broker.fast_ingest) == (1, binary == CURRENT)
        assert (broker.url, broker.stream) == (server.url, "MARKET_DATA")
        assert not state.dropped
        assert (state.backlog_messages, state.messages_in_flight, state.oldest_recv_ns) == (
            0,
            0,
            None,
        )
        assert state.latency.count == 6_000
        assert state.latency.max < 20
        delivery = state.deliveries["binance_spot", "spot", "trade"]
        assert delivery.published == 3_000
        assert delivery.last_event_ns is not None
        async with open_loop():
            await publishing.compare(server.url)


@both_servers
async def test_a_server_killed_under_load_loses_and_repeats_nothing(
    tmp_path: Path, binary: Path
) -> None:
    async with open_nats(tmp_path, binary) as server:
        async with (
            open_publishing(lambda: server.urls) as publishing,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(publishing.load_for_ever)
            for _ in range(4):
                await publishing.until_acknowledged(500)
                await server.kill()
                await publishing.until_away()
                await publishing.until_sent(500)
                await server.start()
            await publishing.until_acknowledged(500)
            nursery.cancel_scope.cancel()
        assert publishing.broker.connects == 5
        assert not publishing.state.dropped
        async with open_loop():
            await publishing.compare(server.url)


@both_servers
async def test_a_server_that_stands_still_loses_and_repeats_nothing(
    tmp_path: Path, binary: Path
) -> None:
    settings = msgspec.structs.replace(
        SETTINGS, ack_timeout_seconds=0.3, connect_timeout_seconds=0.3
    )
    async with open_nats(tmp_path, binary) as server:
        async with (
            open_publishing(lambda: server.urls, settings) as publishing,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(publishing.load_for_ever)
            for _ in range(2):
                await publishing.until_acknowledged(500)
                server.pause()
                await publishing.until_away()
                assert publishing.broker.reason is not None
                assert "no acknowledgement within 0.3 s" in publishing.broker.reason
                server.resume()
            await publishing.until_acknowledged(500)
            nursery.cancel_scope.cancel()
        assert publishing.state.resent > 0
        assert not publishing.state.dropped
        async with open_loop():
            await publishing.compare(server.url)


@both_servers
async def test_a_server_that_comes_later_gets_everything(tmp_path: Path, binary: Path) -> None:
    async with open_nats(tmp_path, binary) as server:
        await server.kill()
        async with open_publishing(lambda: server.urls) as publishing:
            await publishing.load(100)
            await publishing.until_away()
            await publishing.until(lambda: publishing.state.backlog_messages == 600)
            assert publishing.state.oldest_recv_ns is not None
            await server.start()
        assert publishing.state.acknowledged == 600
        async with open_loop():
            await publishing.compare(server.url)


async def test_what_was_stored_long_ago_is_not_stored_again(tmp_path: Path) -> None:
    """The duplicate window is over when the publisher comes back: it has to look for itself."""
    stream = StreamSettings(duplicate_window_seconds=0.2)
    settings = msgspec.structs.replace(SETTINGS, stream=stream, ack_timeout_seconds=0.3)
    async with open_nats(tmp_path) as server:
        reachable = True
        async with open_publishing(
            lambda: server.urls if reachable else ("nats://127.0.0.1:1",), settings
        ) as publishing:
            await publishing.load(10)
            await publishing.until_acknowledged(60 - publishing.state.acknowledged)
            server.pause()
            await publishing.load(10)
            await publishing.until(lambda: publishing.state.messages_in_flight == 60)
            reachable = False
            await publishing.until_away()
            server.resume()
            async with open_connection(server.url, connect_timeout=5) as connection:
                while True:
                    info = await stream_info(connection, "MARKET_DATA")
                    assert info is not None
                    if info.state.messages == 120:
                        break
            await publishing.load(10)
            await trio.sleep(0.5)  # the window is a matter of time
            reachable = True
        assert publishing.state.resent == 0
        async with open_loop():
            await publishing.compare(server.url)


async def test_a_refused_stream_is_told_and_used_once_it_is_right(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server:
        async with open_loop(), open_connection(server.url, connect_timeout=5) as connection:
            theirs = {"name": "MARKET_DATA", "subjects": ["a"], "storage": "memory"}
            await call_api(connection, "STREAM.CREATE.MARKET_DATA", theirs)
        async with open_publishing(lambda: server.urls) as publishing:
            await publishing.load(10)
            await publishing.until_away()
            assert "storage is 'memory' and should be 'file'" in (publishing.broker.reason or "")
            async with open_connection(server.url, connect_timeout=5) as connection:
                await call_api(connection, "STREAM.DELETE.MARKET_DATA")
        assert publishing.state.acknowledged == 60


async def test_wrong_credentials_are_told_without_being_shown(tmp_path: Path) -> None:
    async with open_nats(tmp_path, arguments=("--user", "u", "--pass", "right")) as server:
        urls = [server.url.replace("nats://", "nats://u:wrong@")]
        async with open_publishing(lambda: urls) as publishing:
            await publishing.until_away()
            reason = publishing.broker.reason or ""
            assert "Authorization Violation" in reason
            assert "wrong" not in reason
            urls[0] = server.url.replace("nats://", "nats://u:right@")
            await publishing.until_connected()
            assert publishing.broker.url == server.url.replace("nats://", "nats://***@")


async def test_the_next_address_is_tried(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server:
        urls = ("nats://127.0.0.1:1", server.url)
        async with open_publishing(lambda: urls) as publishing:
            await publishing.until_connected()
            assert publishing.broker.url == server.url


@both_servers
async def test_a_stream_deleted_under_load_is_made_anew_and_the_loss_is_told(
    tmp_path: Path, binary: Path
) -> None:
    async with open_nats(tmp_path, binary) as server:
        async with open_publishing(lambda: server.urls) as publishing:
            await publishing.load(10)
            await publishing.until_acknowledged(60 - publishing.state.acknowledged)
            async with open_connection(server.url, connect_timeout=5) as connection:
                await call_api(connection, "STREAM.DELETE.MARKET_DATA")
            await publishing.load(10)
            await publishing.until(lambda: publishing.state.acknowledged == 120)
        assert publishing.broker.connects == 2
        [told] = [line for line in publishing.logs if line["log_level"] == "error"]
        assert (told["acknowledged"], told["last_sequence"]) == (60, 0)
