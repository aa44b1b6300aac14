"""The JetStream stream at the end of a connection: made ready, written to, looked into.

API subjects, fields and error codes are those of the JetStream API as nats-server 2.10 to
2.15 speak it.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from mprism.nursery.broker import ApiError, BrokerAway, BrokerRefused
from mprism.nursery.inbox import Inbox, Received, status_of
from mprism.nursery.ingest import Answer, FastIngest, Ingest, MessageAcks, Outcome
from mprism.nursery.jetstream import Connection
from mprism.nursery.outbox import Burst
from mprism.nursery.publication import Publication
from mprism.nursery.stream_config import (
    StreamConfig,
    StreamInfo,
    changed,
    plan_for,
    wanted_config,
)
from mprism.nursery.wakeup import Wakeup
from mprism.settings import StreamSettings

API_SECONDS = 5.0  # for an answer of the JetStream API
_HEADER_BYTES = 1_024  # more than the headers of any message of ours
_STREAM_NOT_FOUND = 10059
_INVALID_JSON = 10025  # also: a field that this server does not know


T = TypeVar("T")


class _Answer(msgspec.Struct):
    error: ApiError | None = None


class ApiRefused(BrokerRefused):
    """The JetStream API answered with an error; `error` holds it."""

    def __init__(self, subject: str, error: ApiError) -> None:
        super().__init__(f"{subject}: {error}")
        self.error = error


async def call_api(connection: Connection, verb: str, payload: object = None) -> bytes:
    """The raw answer to `$JS.API.{verb}`.

    Raises BrokerAway where JetStream is off or cannot serve now, ApiRefused on other errors.
    """
    subject = f"$JS.API.{verb}"
    body = b"" if payload is None else msgspec.json.encode(payload)
    answer = await connection.request(subject, body, API_SECONDS)
    if status_of(answer) == "503":
        raise BrokerAway(f"JetStream is not enabled on this server ({connection.url})")
    error = _decoded(answer.data, _Answer).error
    if error is not None:
        if error.code == 503:
            raise BrokerAway(f"{subject}: {error}")
        raise ApiRefused(subject, error)
    return answer.data


async def stream_info(connection: Connection, name: str) -> StreamInfo | None:
    """What the server says about stream `name`; None when there is no such stream."""
    try:
        return _info(await call_api(connection, f"STREAM.INFO.{name}"))
    except ApiRefused as refused:
        if refused.error.err_code == _STREAM_NOT_FOUND:
            return None
        raise


async def ensure_stream(connection: Connection, settings: StreamSettings) -> StreamInfo:
    """Make the stream what `settings` want, without losing anything that it holds.

    Raises BrokerRefused, which shows the values that differ, when that cannot be done.
    """
    wanted = wanted_config(settings)
    existing = await stream_info(connection, settings.name)
    if existing is None:
        return await _put(connection, f"STREAM.CREATE.{settings.name}", wanted)
    plan = plan_for(wanted, existing, time.time_ns())
    refusal = plan.refusal(settings.name)
    if refusal is not None:
        raise BrokerRefused(refusal)
    if not plan.changes:
        return existing
    return await _put(connection, f"STREAM.UPDATE.{settings.name}", changed(existing.config, plan))


async def _put(connection: Connection, verb: str, config: StreamConfig) -> StreamInfo:
    """Servers before 2.14 do not know `allow_batched`; they ignore it or refuse the request."""
    try:
        return _info(await call_api(connection, verb, config))
    except ApiRefused as refused:
        if refused.error.err_code != _INVALID_JSON:
            raise
    plain = {field: value for field, value in config.items() if field != "allow_batched"}
    return _info(await call_api(connection, verb, plain))


def _info(answer: bytes) -> StreamInfo:
    return _decoded(answer, StreamInfo)


def _decoded(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BrokerAway(f"an answer of the JetStream API makes no sense: {error}") from error


class Stream:
    """A stream that takes bursts; made by `open_stream`."""

    def __init__(self, connection: Connection, info: StreamInfo, inbox: Inbox) -> None:
        self.name: str = info.config["name"]
        self.fast_ingest = info.takes_batches
        self.last_sequence = info.state.last_seq  # when it was opened
        largest = info.config.get("max_msg_size", -1)
        limits = [n for n in (connection.max_payload, largest) if n > 0]
        self.largest_payload = min(limits) - _HEADER_BYTES  # bytes
        self._connection = connection
        self._inbox = inbox
        token = inbox.prefix.rpartition(".")[2]
        self._ingest: Ingest = (
            FastIngest(inbox.prefix, token) if self.fast_ingest else MessageAcks(inbox.prefix)
        )

    async def send(self, bursts: Sequence[Burst]) -> None:
        """Write `bursts`, in one crossing; `outcomes` tells what became of them."""
        await self._connection.publish(self._publications(bursts))

    def outcomes(self) -> list[Outcome]:
        """What has become of bursts since the last call.

        Raises BrokerAway or BrokerRefused when the connection has ended and all is told.
        """
        outcomes = map(self._receive, self._inbox.take())
        return [outcome for outcome in outcomes if outcome is not None]

    def _publications(self, bursts: Sequence[Burst]) -> Iterator[Publication]:
        for burst in bursts:
            replies = self._ingest.replies(burst.number, len(burst.messages))
            for message, reply in zip(burst.messages, replies, strict=True):
                headers = {"Nats-Msg-Id": message.message_id, "Content-Type": "application/json"}
                yield message.route.subject, message.payload, reply, headers

    def _receive(self, answer: Received) -> Outcome | None:
        suffix = answer.subject[len(self._inbox.prefix) + 1 :]
        try:
            return self._ingest.receive(Answer(suffix, status_of(answer), answer.data))
        except (msgspec.DecodeError, ValueError) as error:
            raise BrokerAway(f"an answer makes no sense ({error}): {answer.data!r}") from error


async def open_stream(connection: Connection, settings: StreamSettings, wakeup: Wakeup) -> Stream:
    """The stream, as `settings` want it. `wakeup` is set whenever there may be outcomes."""
    info = await ensure_stream(connection, settings)
    return Stream(connection, info, await connection.open_inbox(wakeup))
