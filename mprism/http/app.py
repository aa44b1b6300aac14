"""The ASGI application: a table of paths, each a pure answer of the collector's state.

ASGI 3.0. GET and HEAD only; answers are JSON, except for metrics, and are never to be cached.
No answer waits for anything, so one that comes at all comes at once, whatever else hangs.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    LifespanScope,
    Scope,
)

from mprism.http.connections import connections
from mprism.http.health import live, ready, verdict
from mprism.http.history import History
from mprism.http.look import Status
from mprism.http.metrics import MetricsPage
from mprism.http.status import status_page
from mprism.settings import HttpSettings
from mprism.state import CollectorState

PATHS = {
    "/": "this list",
    "/health": "the verdict, with every check, its reason and since when; 503 when unhealthy",
    "/health/live": "whether this process answers; always 200",
    "/health/ready": "whether everything is delivered; 503 when not",
    "/status": "version, configuration, feeds, rates, lag, memory, publisher",
    "/connections": "each websocket and poller with its streams, and the NATS connection",
    "/metrics": "Prometheus metrics",
}
_METHODS = ("GET", "HEAD")


class Answer(NamedTuple):
    """One HTTP answer."""

    status: HTTPStatus
    content_type: str
    body: bytes
    allow: str | None = None


def json_answer(
    document: object, status: HTTPStatus = HTTPStatus.OK, allow: str | None = None
) -> Answer:
    """`document` as JSON, indented for people with curl."""
    body = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    return Answer(status, "application/json", body, allow)


class HttpApp:
    """Everything that is served, on both ports. Reads `state`, changes nothing."""

    def __init__(self, state: CollectorState, settings: HttpSettings, history: History) -> None:
        self._state = state
        self._settings = settings
        self._history = history
        self._metrics = MetricsPage(state, settings, history)
        self._answers: dict[str, Callable[[str], Answer]] = {
            "/": self._index,
            "/health": self._health,
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/status": self._status,
            "/connections": self._connections,
            "/metrics": self._metrics_page,
        }

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request, or the lifespan (ASGI: `http`, `lifespan`, `websocket`)."""
        if scope["type"] == "http":
            await self._respond(scope, send)
        elif scope["type"] == "lifespan":
            await _live_through(scope, receive, send)
        else:  # a websocket: refused, with 403 before its handshake
            await send({"type": "websocket.close", "code": 1000, "reason": None})

    async def _respond(self, scope: HTTPScope, send: ASGISendCallable) -> None:
        answer = self.answer(scope["method"], scope["path"], _header(scope, b"accept"))
        headers = [
            (b"content-type", answer.content_type.encode("ascii")),
            (b"content-length", str(len(answer.body)).encode("ascii")),
            (b"cache-control", b"no-store"),
        ]
        if answer.allow is not None:
            headers.append((b"allow", answer.allow.encode("ascii")))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def answer(self, method: str, path: str, accept: str = "") -> Answer:
        """What one request gets. `accept` is the header of that name."""
        found = self._answers.get(path.rstrip("/") or "/")
        if found is None:
            document = {"error": f"no such path: {path}", "paths": list(PATHS)}
            return json_answer(document, HTTPStatus.NOT_FOUND)
        if method not in _METHODS:
            allow = ", ".join(_METHODS)
            document = {"error": f"{path} answers {allow} only, not {method}"}
            return json_answer(document, HTTPStatus.METHOD_NOT_ALLOWED, allow)
        return found(accept)

    def _index(self, _accept: str) -> Answer:
        return json_answer({"name": "mprism", "version": self._state.version, "paths": PATHS})

    def _health(self, _accept: str) -> Answer:
        health = verdict(self._state, self._settings, self._state.clock(), self._history)
        return json_answer(health, _ok_unless(health.status is Status.UNHEALTHY))

    def _live(self, _accept: str) -> Answer:
        return json_answer(live(self._state, self._state.clock()))

    def _ready(self, _accept: str) -> Answer:
        readiness = ready(self._state, self._settings, self._state.clock(), self._history)
        return json_answer(readiness, _ok_unless(not readiness.ready))

    def _status(self, _accept: str) -> Answer:
        now = self._state.clock()
        return json_answer(status_page(self._state, self._settings, now, self._history))

    def _connections(self, _accept: str) -> Answer:
        return json_answer(connections(self._state, self._state.clock()))

    def _metrics_page(self, accept: str) -> Answer:
        body, content_type = self._metrics.render(accept)
        return Answer(HTTPStatus.OK, content_type, body)


def _ok_unless(bad: bool) -> HTTPStatus:
    return HTTPStatus.SERVICE_UNAVAILABLE if bad else HTTPStatus.OK


def _header(scope: HTTPScope, name: bytes) -> str:
    # RFC 9110, 5.3: repeated fields are one list.
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


async def _live_through(
    _scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """There is nothing to open or close here: say so and end with the server."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
