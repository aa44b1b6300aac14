"""Frames that wait to be sent on one connection."""

from collections import deque

import trio

from mprism.feeds.errors import NetworkFault
from mprism.feeds.protocol import Send

_MOST = 256  # frames; a connection of 1,024 streams asks for them in 11


class Outgoing:
    """A bounded queue in which urgent frames overtake the others."""

    def __init__(self) -> None:
        self._frames: deque[Send] = deque()
        self._arrived = trio.Event()

    def put(self, frame: Send) -> None:
        """Add a frame. Raises NetworkFault when too many wait: the exchange does not take them."""
        if len(self._frames) >= _MOST:
            raise NetworkFault(f"more than {_MOST} frames wait to be sent")
        if frame.urgent:
            self._frames.appendleft(frame)
        else:
            self._frames.append(frame)
        self._arrived.set()

    async def next(self) -> Send:
        """The next frame; waits for one."""
        while not self._frames:
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._frames.popleft()
