"""A way to a TCP server of this machine that a test can hold up or shut, and open again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

LOOPBACK = "127.0.0.1"
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class Gate:
    """Passes everything on while it is open; made by `open_gate`.

    Held, it takes connections and lets nothing through. Shut, it ends them at once.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._scopes: set[trio.CancelScope] = set()
        self._shut = False
        self._questions = _opened()
        self._answers = _opened()

    def open(self) -> None:
        """Let everything through, also what was held up."""
        self._shut = False
        self._questions.set()
        self._answers.set()

    def hold(self) -> None:
        """Nothing passes in either direction; nobody is told."""
        self._questions = trio.Event()
        self.hold_answers()

    def hold_answers(self) -> None:
        """Nothing passes from the server to its clients."""
        self._answers = trio.Event()

    def shut(self) -> None:
        """End all connections, and new ones as soon as they come."""
        self._shut = True
        for scope in self._scopes:
            scope.cancel()

    async def serve(self, client: trio.SocketStream) -> None:
        """One client, from here to the server and back."""
        with trio.CancelScope() as scope:
            async with client:
                if self._shut:
                    return
                self._scopes.add(scope)
                try:
                    await self._questions.wait()
                    await self._connect(client)
                except _GONE:
                    return
                finally:
                    self._scopes.discard(scope)

    async def _connect(self, client: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream(LOOPBACK, self._target_port) as server:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._ask, client, server)
                    await self._answer(server, client)
                    nursery.cancel_scope.cancel()
            except* _GONE:
                pass

    async def _ask(self, client: trio.SocketStream, server: trio.SocketStream) -> None:
        async for data in client:
            await self._questions.wait()
            await server.send_all(data)
        await server.send_eof()

    async def _answer(self, server: trio.SocketStream, client: trio.SocketStream) -> None:
        async for data in server:
            await self._answers.wait()
            await client.send_all(data)


def _opened() -> trio.Event:
    event = trio.Event()
    event.set()
    return event


@asynccontextmanager
async def open_gate(target_port: int) -> AsyncIterator[Gate]:
    """A gate on a free loopback port, open to begin with."""
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    gate = Gate(listener.socket.getsockname()[1], target_port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, gate.serve, [listener]))
        yield gate
        nursery.cancel_scope.cancel()
