"""A small HTTP/1.1 server for REST: one answer for each request, connections kept alive."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import trio

IDLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body. Header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, to be sent after `delay` seconds."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)
    delay: float = 0.0


Responder = Callable[[Request], Response]


class Answers:
    """The answers that are being given on all connections."""

    def __init__(self) -> None:
        self._begun = 0
        self._ended = trio.Event()
        self._written = trio.Event()

    @asynccontextmanager
    async def give(self) -> AsyncIterator[None]:
        """Around one answer, from its making until it is written. After the end it waits."""
        if self._ended.is_set():
            await trio.sleep_forever()
        self._begun += 1
        try:
            yield
        finally:
            self._begun -= 1
            if self._ended.is_set() and not self._begun:
                self._written.set()

    async def end(self) -> None:
        """Give no more answers; returns when those that were begun are written."""
        self._ended.set()
        if self._begun:
            await self._written.wait()


async def serve_http(transport: trio.SocketStream, respond: Responder, answers: Answers) -> None:
    """Answer one client's requests until it leaves, breaks the protocol or falls idle."""
    protocol = h11.Connection(h11.SERVER)
    async with transport:
        try:
            while (request := await _next_request(transport, protocol)) is not None:
                async with answers.give():
                    response = respond(request)
                    await trio.sleep(response.delay)
                    await transport.send_all(_encoded(protocol, response))
                if protocol.our_state is h11.MUST_CLOSE:
                    return
                protocol.start_next_cycle()
        except (trio.BrokenResourceError, h11.ProtocolError):
            return


async def _next_request(transport: trio.SocketStream, protocol: h11.Connection) -> Request | None:
    request: Request | None = None
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            data = b""
            with trio.move_on_after(IDLE_SECONDS):
                data = await transport.receive_some(65_536)
            protocol.receive_data(data)
        elif isinstance(event, h11.Request):
            headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            request = Request(event.method.decode(), event.target.decode(), headers)
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif not isinstance(event, h11.Data):
            return None


def _encoded(protocol: h11.Connection, response: Response) -> bytes:
    headers = [
        ("Content-Type", "application/json;charset=UTF-8"),
        ("Content-Length", str(len(response.body))),
        *response.headers,
    ]
    head = protocol.send(h11.Response(status_code=response.status, headers=headers))
    body = protocol.send(h11.Data(data=response.body))
    end = protocol.send(h11.EndOfMessage())
    return (head or b"") + (body or b"") + (end or b"")
