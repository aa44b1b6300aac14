"""Serves the application on its two ports with hypercorn's Trio worker.

Sockets are opened here, not by hypercorn, so that a failure names the setting that is to blame.
hypercorn installs no signal handlers; the caller says when to stop.
"""

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import trio
from hypercorn.config import Config, Sockets
from hypercorn.trio import serve

from mprism.http.app import HttpApp
from mprism.http.history import SAMPLE_SECONDS, History
from mprism.settings import HttpSettings
from mprism.state import CollectorState

_GRACEFUL_SECONDS = 1.0  # for answers under way when told to stop
_UNREAD_MS = 2_000  # a peer that takes nothing of an answer for this long is cut off
_BACKLOG = 100

# Only what goes wrong: hypercorn's other lines say nothing that the collector does not.
_log = logging.getLogger("hypercorn.error")
_log.setLevel(logging.WARNING)


class ListenError(Exception):
    """An address cannot be listened on. The message says which, why, and what to set."""


class HttpAddresses(NamedTuple):
    """Where the application is served, as URLs without a path."""

    http: str
    metrics: str


class _OpenSockets(Config):
    """hypercorn's configuration with sockets that are open already, for plain HTTP."""

    include_server_header = False
    graceful_timeout = _GRACEFUL_SECONDS
    backlog = _BACKLOG
    errorlog = _log  # a logger, lest hypercorn give it a handler of its own
    accesslog = None

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._open = sockets

    def create_sockets(self) -> Sockets:
        """The open sockets, where hypercorn would bind."""
        return Sockets(secure_sockets=[], insecure_sockets=self._open, quic_sockets=[])


async def run_http(
    state: CollectorState,
    settings: HttpSettings,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[HttpAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `state` until `stop` is set; then end within a few seconds.

    Says that it has started with the addresses that are bound: a port of 0 takes a free one,
    and equal ports, unless 0, are bound once. Raises `ListenError` before that when an
    address cannot be had. Cancelling it closes at once.
    """
    history = History()
    history.sample(state, state.clock())
    app = HttpApp(state, settings, history)
    with _listening(settings) as sockets:
        addresses = HttpAddresses(_url(sockets[0]), _url(sockets[-1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_sample, history, state, stop)
            await nursery.start(_serve, app, sockets, stop)
            task_status.started(addresses)


async def _serve(
    app: HttpApp,
    sockets: list[socket.socket],
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    await serve(
        app,
        _OpenSockets(sockets),
        shutdown_trigger=stop.wait,
        task_status=task_status,
        mode="asgi",
    )
    if not stop.is_set():
        # The one other way out of hypercorn: it has swallowed an interrupt.
        raise KeyboardInterrupt


async def _sample(history: History, state: CollectorState, stop: trio.Event) -> None:
    while not stop.is_set():
        with trio.move_on_after(SAMPLE_SECONDS):
            await stop.wait()
        history.sample(state, state.clock())


@contextmanager
def _listening(settings: HttpSettings) -> Iterator[list[socket.socket]]:
    """Open sockets, that for /health first and that for metrics last; they may be one."""
    with ExitStack() as stack:
        sockets = [_listen(settings.host, settings.port, "http.port", "HEALTH_CHECK_PORT")]
        stack.enter_context(sockets[0])
        if settings.metrics_port == 0 or settings.metrics_port != settings.port:
            second = _listen(
                settings.host, settings.metrics_port, "http.metrics_port", "METRICS_PORT"
            )
            sockets.append(stack.enter_context(second))
        yield sockets


def _listen(host: str, port: int, setting: str, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server(
            (host, port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise ListenError(_explain(host, port, setting, variable, error)) from error
    # Accepted sockets inherit both. hypercorn sends shielded from cancellation, so without
    # the limit a peer that stops reading would hold up the end of the process.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
    return sock


def _explain(host: str, port: int, setting: str, variable: str, error: OSError) -> str:
    what = f"cannot listen on {host} port {port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{what}: another process has it. Set {setting} or {variable} to a free port; "
            "0 takes any"
        )
    if error.errno == errno.EACCES:
        return f"{what}: not permitted. Set {setting} or {variable} to a port above 1023"
    # getaddrinfo's errors have numbers of their own, which strerror does not know.
    number = None if isinstance(error, socket.gaierror) else error.errno
    cause = error.strerror if number is None else os.strerror(number)
    return f"{what}: {cause}. Set http.host or HTTP_HOST to an address of this machine"


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
