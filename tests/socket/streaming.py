"""A connection and a stream on a real server, for tests of what is sent to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from mprism.nursery.ingest import Outcome
from mprism.nursery.jetstream import Connection, open_connection, open_loop
from mprism.nursery.outbox import Burst
from mprism.nursery.stored import read_stream
from mprism.nursery.stream import (
    Stream,
    open_stream,
    stream_info,
)
from mprism.nursery.wakeup import Wakeup
from mprism.schema import Message
from mprism.settings import StreamSettings
from tests.socket.nats_fixture import NatsServer, open_nats

SETTINGS = StreamSettings()


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[Connection]:
    async with open_loop(), open_connection(server.url, connect_timeout=5) as connection:
        yield connection


@asynccontextmanager
async def streaming(
    folder: Path, binary: Path
) -> AsyncIterator[tuple[NatsServer, Connection, Stream, Wakeup]]:
    wakeup = Wakeup()
    async with open_nats(folder, binary) as server, connected(server) as connection:
        yield server, connection, await open_stream(connection, SETTINGS, wakeup), wakeup


def burst(number: int, messages: list[Message]) -> Burst:
    return Burst(number, messages, 0, 0)


async def outcomes_of(stream: Stream, wakeup: Wakeup, count: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with trio.fail_after(10):
        while True:
            outcomes += stream.outcomes()
            if len(outcomes) >= count:
                return outcomes
            await wakeup.wait()


async def stored_in(url: str) -> list[tuple[str, str | None]]:
    async with read_stream(url, "MARKET_DATA") as batches:
        return [(m.subject, m.message_id) async for batch in batches for m in batch]


async def held_by(connection: Connection) -> int:
    info = await stream_info(connection, "MARKET_DATA")
    assert info is not None
    return info.state.messages
