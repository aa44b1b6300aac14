"""Our calls on one connection: what is asked for by id, and what the answers say.

Channels that do not exist are left out of the answer to a subscription, and nothing else is
said of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

import msgspec

from mprism.feeds.protocol import Send

_HEARTBEAT_ID: Final = 1
_TEST_ID: Final = 2
_HEARTBEAT_SECONDS: Final = 30
_CHANNELS_PER_CALL: Final = 500

_SUBSCRIBING: Final = ("public/subscribe", "private/subscribe")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is not answered yet."""

    method: Literal["public/subscribe", "public/unsubscribe"]
    channels: tuple[str, ...]


class Calls:
    """The calls of one connection."""

    def __init__(self) -> None:
        self._ids = count(_TEST_ID + 1)
        self._open: dict[int, Call] = {}

    @property
    def unanswered(self) -> Sequence[str]:
        """The channels whose subscription is not answered yet."""
        return [
            name
            for call in self._open.values()
            if call.method == "public/subscribe"
            for name in call.channels
        ]

    def subscribe(self, channels: Iterable[str]) -> Iterator[Send]:
        """Ask for channels, in as many calls as it takes."""
        return self._about("public/subscribe", channels)

    def unsubscribe(self, channels: Iterable[str]) -> Iterator[Send]:
        """Give channels up."""
        return self._about("public/unsubscribe", channels)

    def answered(self, number: int | str | None) -> Call | None:
        """The call that this is the id of; it is open no more."""
        return self._open.pop(number, None) if isinstance(number, int) else None

    def oldest(self) -> Call | None:
        """The first one that is open, which is what an answer without an id must be to."""
        return self.answered(next(iter(self._open), None))

    def _about(
        self, method: Literal["public/subscribe", "public/unsubscribe"], channels: Iterable[str]
    ) -> Iterator[Send]:
        names = tuple(channels)
        for start in range(0, len(names), _CHANNELS_PER_CALL):
            part, number = names[start : start + _CHANNELS_PER_CALL], next(self._ids)
            self._open[number] = Call(method, part)
            yield Send(_frame(number, method, {"channels": part}))


def _frame(number: int, method: str, params: Mapping[str, object]) -> str:
    return _encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).decode()


def set_heartbeat() -> Send:
    """Have the exchange ask in intervals whether we are there."""
    return Send(_frame(_HEARTBEAT_ID, "public/set_heartbeat", {"interval": _HEARTBEAT_SECONDS}))


def test() -> Send:
    """The answer to that: without it the connection is closed after some 10 s."""
    return Send(_frame(_TEST_ID, "public/test", {}), urgent=True)


def is_about_heartbeat(number: int | str | None) -> bool:
    """Whether an answer with this id is one to a call of these."""
    return number in (_HEARTBEAT_ID, _TEST_ID)


def channels_of(frame: str) -> list[str]:
    """The channels that a frame subscribes to. Raises ValueError for one that is no JSON."""
    try:
        call = msgspec.json.decode(frame)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(call, dict) or call.get("method") not in _SUBSCRIBING:
        return []
    params = call.get("params")
    names = params.get("channels") if isinstance(params, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
