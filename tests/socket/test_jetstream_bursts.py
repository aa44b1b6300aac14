"""Bursts into a stream and messages out of it, with fast ingest and without."""

from pathlib import Path

import pytest

from mprism.nursery.broker import BrokerAway, BrokerRefused
from mprism.nursery.jetstream import open_connection, open_loop
from mprism.nursery.stored import open_messages, read_stream
from mprism.nursery.stream import (
    call_api,
    ensure_stream,
    open_stream,
)
from mprism.nursery.wakeup import Wakeup
from mprism.schema import Message, Route
from tests.socket.nats_fixture import CURRENT, both_servers, open_nats
from tests.socket.streaming import (
    SETTINGS,
    burst,
    connected,
    held_by,
    outcomes_of,
    stored_in,
    streaming,
)
from tests.unit.messages import message, route


@both_servers
async def test_bursts_are_stored_in_order_with_their_ids(tmp_path: Path, binary: Path) -> None:
    async with streaming(tmp_path, binary) as (server, connection, stream, wakeup):
        assert stream.fast_ingest is (binary == CURRENT)
        symbols = ["BTC-USDT", "ETH-USDT"]
        messages = [message(n, symbol=symbols[n % 2]) for n in range(600)]
        cut = [messages[:1], messages[1:3], messages[3:500], messages[500:]]
        await stream.send([burst(n, part) for n, part in enumerate(cut, start=1)])
        outcomes = await outcomes_of(stream, wakeup, 4)
        assert [(o.number, o.error) for o in outcomes] == [(n, None) for n in range(1, 5)]
        assert outcomes[-1].last_sequence == 600
        assert await held_by(connection) == 600
        assert await stored_in(server.url) == [(m.route.subject, m.message_id) for m in messages]


@both_servers
async def test_what_is_sent_twice_is_stored_once(tmp_path: Path, binary: Path) -> None:
    async with streaming(tmp_path, binary) as (_, connection, stream, wakeup):
        messages = [message(n) for n in range(5)]
        await stream.send([burst(1, messages[:3]), burst(2, messages), burst(3, messages[:2])])
        outcomes = await outcomes_of(stream, wakeup, 3)
        assert [o.error for o in outcomes] == [None, None, None]
        assert await held_by(connection) == 5
        if not stream.fast_ingest:
            assert [o.duplicates for o in outcomes] == [0, 3, 2]


@both_servers
async def test_as_many_bursts_as_the_settings_allow_can_be_in_flight(
    tmp_path: Path, binary: Path
) -> None:
    async with streaming(tmp_path, binary) as (_, connection, stream, wakeup):
        bursts = [burst(n, [message(n * 10 + k) for k in range(10)]) for n in range(64)]
        await stream.send(bursts)
        outcomes = await outcomes_of(stream, wakeup, 64)
        assert {o.error for o in outcomes} == {None}
        assert await held_by(connection) == 640


@both_servers
async def test_two_connections_with_the_same_numbers_do_not_disturb_each_other(
    tmp_path: Path, binary: Path
) -> None:
    wakeups = Wakeup(), Wakeup()
    async with (
        open_nats(tmp_path, binary) as server,
        connected(server) as one,
        open_connection(server.url, connect_timeout=5) as two,
    ):
        streams = [
            await open_stream(c, SETTINGS, w) for c, w in zip((one, two), wakeups, strict=True)
        ]
        for number in range(5):
            for at, stream in enumerate(streams):
                messages = [message(at * 1_000 + number * 10 + k) for k in range(3)]
                await stream.send([burst(number, messages)])
        for stream, wakeup in zip(streams, wakeups, strict=True):
            outcomes = await outcomes_of(stream, wakeup, 5)
            assert {o.error for o in outcomes} == {None}
        assert await held_by(one) == 30


@both_servers
async def test_a_subject_without_a_stream_fails_its_burst(tmp_path: Path, binary: Path) -> None:
    async with streaming(tmp_path, binary) as (_, _connection, stream, wakeup):
        nowhere = Route("trade", "x", "spot", "B", "nowhere.x", "x:")
        await stream.send([burst(1, [Message(nowhere, "x:1", b"{}", 0)])])
        [outcome] = await outcomes_of(stream, wakeup, 1)
        assert outcome.error == "no stream listens on the subject"


@both_servers
async def test_a_message_that_the_stream_refuses_fails_its_burst(
    tmp_path: Path, binary: Path
) -> None:
    async with open_nats(tmp_path, binary) as server, connected(server) as connection:
        info = await ensure_stream(connection, SETTINGS)
        config = {**info.config, "max_msg_size": 2_000}
        await call_api(connection, "STREAM.UPDATE.MARKET_DATA", config)
        wakeup = Wakeup()
        stream = await open_stream(connection, SETTINGS, wakeup)
        assert stream.largest_payload < 2_000
        messages = [message(1), message(2, size=2_000), message(3)]
        await stream.send([burst(1, messages)])
        [outcome] = await outcomes_of(stream, wakeup, 1)
        assert outcome.error is not None
        assert "message size exceeds maximum allowed" in outcome.error


@both_servers
async def test_reading_back_gives_everything_in_order(tmp_path: Path, binary: Path) -> None:
    async with streaming(tmp_path, binary) as (server, connection, stream, wakeup):
        for number in range(1, 8):
            messages = [message(number * 1_000 + k) for k in range(400)]
            await stream.send([burst(number, messages)])
        await outcomes_of(stream, wakeup, 7)
        async with read_stream(server.url, "MARKET_DATA") as batches:
            read = [m async for batch in batches for m in batch]
        assert [m.sequence for m in read] == list(range(1, 2_801))
        assert read[0].payload == b"x" * 10
        assert read[0].subject == route().subject
        async with open_messages(
            connection, "MARKET_DATA", first_sequence=2_799, payloads=False
        ) as rest:
            tail = [m async for batch in rest for m in batch]
        assert [(m.sequence, m.payload) for m in tail] == [(2_799, b""), (2_800, b"")]
        assert tail[-1].message_id == message(7_399).message_id


@both_servers
async def test_reading_an_empty_or_trimmed_stream_ends(tmp_path: Path, binary: Path) -> None:
    async with streaming(tmp_path, binary) as (server, connection, stream, wakeup):
        assert await stored_in(server.url) == []
        await stream.send([burst(1, [message(n) for n in range(3)])])
        await outcomes_of(stream, wakeup, 1)
        for sequence in (1, 3):
            await call_api(connection, "STREAM.MSG.DELETE.MARKET_DATA", {"seq": sequence})
        assert await stored_in(server.url) == [(route().subject, message(1).message_id)]
        await call_api(connection, "STREAM.PURGE.MARKET_DATA")
        assert await stored_in(server.url) == []


async def test_reading_a_stream_that_is_not_there_says_so(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server, open_loop():
        with pytest.raises(BrokerRefused, match="there is no stream OTHER"):
            async with read_stream(server.url, "OTHER"):
                pass


async def test_an_answer_that_makes_no_sense_ends_the_connection(tmp_path: Path) -> None:
    async with streaming(tmp_path, CURRENT) as (_, connection, stream, wakeup):
        prefix = stream._inbox.prefix
        [reply] = stream._ingest.replies(1, 1)
        await connection.publish([(reply, b"[1]", "", None)])
        with pytest.raises(BrokerAway, match="makes no sense"):
            await outcomes_of(stream, wakeup, 1)
        await connection.publish([(f"{prefix}.rubbish", b"{}", "", None)])
        with pytest.raises(BrokerAway, match="makes no sense"):
            await outcomes_of(stream, wakeup, 1)
