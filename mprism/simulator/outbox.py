"""Frames on their way to one client, in order, written many at a time by one task."""

import trio


class Outbox:
    """The outgoing half of a connection. `run` writes; a silence holds everything back.

    It does not limit itself: whoever fills it watches `unsent_bytes`.
    """

    def __init__(self, transport: trio.abc.SendStream) -> None:
        self.unsent_bytes = 0
        self._transport = transport
        self._frames: list[bytes] = []
        self._filled = trio.Event()
        self._emptied = trio.Event()
        self._closed = False
        self._silent_until = -float("inf")

    def put(self, data: bytes) -> None:
        """Queue whole frames; after the end they go nowhere."""
        if data and not self._closed:
            self._frames.append(data)
            self.unsent_bytes += len(data)
            self._filled.set()

    def silence(self, seconds: float) -> None:
        """Write nothing from now on, for so long."""
        self._silent_until = trio.current_time() + seconds

    @property
    def silent(self) -> bool:
        """Whether a silence is going on."""
        return trio.current_time() < self._silent_until

    async def end_of_silence(self) -> None:
        """Return as soon as no silence is going on."""
        while self.silent:  # noqa: ASYNC110 - a second silence may move the end
            await trio.sleep_until(self._silent_until)

    async def run(self) -> None:
        """Write for ever. Raises what the transport raises when the client is gone."""
        while True:
            await self._filled.wait()
            await self.end_of_silence()
            data = b"".join(self._frames)
            self._frames.clear()
            self._filled = trio.Event()
            await self._transport.send_all(data)
            self.unsent_bytes -= len(data)
            if not self.unsent_bytes:
                self._notify()

    async def flushed(self) -> None:
        """Return when all of it has gone to the socket, or never will."""
        while self.unsent_bytes:
            await self._emptied.wait()

    def close(self) -> None:
        """Forget what is left; nothing can be written any more."""
        self._closed = True
        self._frames.clear()
        self.unsent_bytes = 0
        self._notify()

    def _notify(self) -> None:
        self._emptied.set()
        self._emptied = trio.Event()
