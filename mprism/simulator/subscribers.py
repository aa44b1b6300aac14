"""Which open connection gets which stream."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from mprism.simulator.connection import Connection


class Subscribers:
    """The open connections of a market and the streams that each of them gets.

    A stream that a client gave up by itself is forgotten; one whose connection ended is
    still *wanted*, because a client that recovers subscribes to it again.
    """

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._by_stream: dict[str, list[Connection]] = {}
        self._wanted: set[str] = set()
        self._changed = trio.Event()

    def of(self, stream: str) -> Collection["Connection"]:
        """The connections that get this stream."""
        return self._by_stream.get(stream, ())

    def add(self, connection: "Connection") -> None:
        """A connection was opened."""
        self.connections.append(connection)
        self._notify()

    def subscribe(self, connection: "Connection", streams: Iterable[str]) -> None:
        """The connection gets these streams from now on."""
        for stream in streams:
            self._by_stream.setdefault(stream, []).append(connection)
            self._wanted.add(stream)
        self._notify()

    def unsubscribe(self, connection: "Connection", streams: Iterable[str]) -> None:
        """The client no longer wants these streams on this connection."""
        for stream in streams:
            self._by_stream[stream].remove(connection)
            if not self._by_stream[stream]:
                self._wanted.discard(stream)
        self._notify()

    def remove(self, connection: "Connection") -> None:
        """The connection has ended."""
        self.connections.remove(connection)
        for connections in self._by_stream.values():
            if connection in connections:
                connections.remove(connection)
        self._notify()

    async def wait_for(self, *streams: str) -> None:
        """Return as soon as each of these streams has a subscriber; without names, any."""
        while not self._subscribed(streams):
            await self._changed.wait()

    async def wait_for_wanted(self) -> None:
        """Return as soon as something was subscribed and nothing of it misses its subscriber."""
        while not self._wanted or not self._subscribed(self._wanted):
            await self._changed.wait()

    def _subscribed(self, streams: Collection[str]) -> bool:
        if streams:
            return all(self._by_stream.get(stream) for stream in streams)
        return any(self._by_stream.values())

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
