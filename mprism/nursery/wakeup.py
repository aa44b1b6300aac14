"""Waking one waiting task, from Trio or from an asyncio callback of the same thread."""

import trio


class Wakeup:
    """Remembers that something happened until the one task that cares has looked."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Wake the task, now or when it waits next."""
        self._event.set()

    async def wait(self) -> None:
        """Until `set` was called since the last `wait` returned."""
        await self._event.wait()
        self._event = trio.Event()
