"""A small HTTP/1.1 server for REST: one answer for each request, connections kept alive."""

from collections.abc import Callable
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


async def serve_http(transport: trio.SocketStream, respond: Responder) -> None:
    """Answer one client's requests until it leaves, breaks the protocol or falls idle."""
    protocol = h11.Connection(h11.SERVER)
    async with transport:
        try:
            while (request := await _next_request(transport, protocol)) is not None:
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
