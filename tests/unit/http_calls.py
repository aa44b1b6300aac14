"""Requests to the application, as ASGI 3.0 hands them over, without a server."""

from dataclasses import dataclass
from typing import Any

import msgspec

from mprism.http.app import HttpApp
from tests.unit.http_states import World


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def app_of(world: World) -> HttpApp:
    return HttpApp(world.state, world.settings, world.history)


async def call(
    app: HttpApp, path: str, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Response:
    """One request, as ASGI 3.0 hands it over."""
    events: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        events.append(event)

    scope: Any = {"type": "http", "method": method, "path": path, "headers": headers}
    await app(scope, receive, send)
    start, body = events
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    assert body["more_body"] is False
    return Response(start["status"], dict(start["headers"]), body["body"])
