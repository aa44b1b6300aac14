"""Reading back what a stream holds, from a sequence to what was the end when it was opened.

An ephemeral pull consumer without acknowledgements, which the server forgets by itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
import trio

from mprism.nursery.broker import BrokerAway, BrokerRefused
from mprism.nursery.inbox import Inbox, Received, status_of
from mprism.nursery.jetstream import Connection, open_connection
from mprism.nursery.stream import API_SECONDS, call_api, stream_info
from mprism.nursery.wakeup import Wakeup

_NS = 1_000_000_000
_BATCH = 1_000  # messages asked for at once; bounds what waits in memory
_FORGET_SECONDS = 30


class StoredMessage(NamedTuple):
    """One message of the stream; `message_id` is its `Nats-Msg-Id`."""

    sequence: int
    subject: str
    message_id: str | None
    payload: bytes


class _Consumer(msgspec.Struct):
    name: str
    num_pending: int = 0


@asynccontextmanager
async def read_stream(
    url: str, name: str, *, connect_timeout: float = 5.0
) -> AsyncIterator["StoredMessages"]:
    """Everything that stream `name` holds now, in order: `async for batch in messages`.

    Raises BrokerAway or BrokerRefused when it cannot be read.
    """
    async with (
        open_connection(url, connect_timeout=connect_timeout) as connection,
        open_messages(connection, name) as messages,
    ):
        yield messages


@asynccontextmanager
async def open_messages(
    connection: Connection, name: str, *, first_sequence: int = 1, payloads: bool = True
) -> AsyncIterator["StoredMessages"]:
    """What stream `name` holds from `first_sequence` on; payloads are empty unless wanted."""
    info = await stream_info(connection, name)
    if info is None:
        raise BrokerRefused(f"there is no stream {name}")
    answer = await call_api(
        connection,
        f"CONSUMER.CREATE.{name}",
        {
            "stream_name": name,
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": max(first_sequence, 1),
                "ack_policy": "none",
                "replay_policy": "instant",
                "headers_only": not payloads,
                "mem_storage": True,
                "num_replicas": 1,
                "inactive_threshold": _FORGET_SECONDS * _NS,
            },
        },
    )
    consumer = msgspec.json.decode(answer, type=_Consumer)
    wakeup = Wakeup()
    inbox = await connection.open_inbox(wakeup)
    try:
        last = info.state.last_seq if consumer.num_pending else 0
        yield StoredMessages(connection, inbox, wakeup, f"{name}.{consumer.name}", last)
    finally:
        with trio.move_on_after(1.0, shield=True):
            await connection.close_inbox(inbox)


class StoredMessages:
    """Iterates over lists of messages, in the order of the stream."""

    def __init__(
        self, connection: Connection, inbox: Inbox, wakeup: Wakeup, consumer: str, last: int
    ) -> None:
        self._connection = connection
        self._inbox = inbox
        self._wakeup = wakeup
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer}"
        self._last = last  # sequence to end at
        self._sequence = 0  # of the last message that came
        self._expected = 0  # messages that were asked for and have not come

    def __aiter__(self) -> "StoredMessages":
        return self

    async def __anext__(self) -> list[StoredMessage]:
        while self._sequence < self._last:
            if self._expected <= 0:
                await self._ask()
            messages = [self._read(received) for received in await self._receive()]
            self._expected -= len(messages)
            stored = [m for m in messages if m.sequence <= self._last]
            if stored:
                return stored
        raise StopAsyncIteration

    async def _ask(self) -> None:
        request = msgspec.json.encode({"batch": _BATCH, "expires": int(API_SECONDS * _NS)})
        await self._connection.publish(
            [(self._next_subject, request, self._inbox.prefix + ".m", None)]
        )
        self._expected = _BATCH

    async def _receive(self) -> list[Received]:
        with trio.move_on_after(API_SECONDS):
            while not (messages := self._inbox.take()):
                await self._wakeup.wait()
            return messages
        raise BrokerAway(f"no stored message came within {API_SECONDS:g} s")

    def _read(self, received: Received) -> StoredMessage:
        status = status_of(received)
        if status is not None:
            raise BrokerAway(f"reading the stream ended with status {status}")
        # $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<sequence>...<pending>
        tokens = received.reply.split(".")
        at = 5 if len(tokens) == 9 else 7
        self._sequence = int(tokens[at])
        if tokens[at + 3] == "0":
            self._last = self._sequence
        message_id = received.headers.get("Nats-Msg-Id") if received.headers else None
        return StoredMessage(self._sequence, received.subject, message_id, received.data)
