"""What a server sends us: kept until the task that cares takes it."""

from collections.abc import Callable
from typing import Protocol

from mprism.nursery.wakeup import Wakeup


class Received(Protocol):
    """A message from the server; `headers` has "Status" where the server itself answers."""

    subject: str
    reply: str
    headers: dict[str, str] | None
    data: bytes


def status_of(message: Received) -> str | None:
    """The status that the server put into `message`: "503" nobody listens, "404" nothing there."""
    return message.headers.get("Status") if message.headers else None


class Inbox:
    """What is sent to subjects that start with `prefix` and a dot.

    `check` raises when nothing can come any more.
    """

    def __init__(self, prefix: str, check: Callable[[], None], wakeup: Wakeup) -> None:
        self.prefix = prefix
        self._check = check
        self._wakeup = wakeup
        self._messages: list[Received] = []

    def take(self) -> list[Received]:
        """What has come since the last call, in order.

        Raises BrokerAway or BrokerRefused when the connection has ended and nothing is left.
        """
        messages, self._messages = self._messages, []
        if not messages:
            self._check()
        return messages

    def keep(self, message: Received) -> None:
        """Add `message`, which just came. Never raises: nats-py would swallow it."""
        self._messages.append(message)
        self._wakeup.set()
