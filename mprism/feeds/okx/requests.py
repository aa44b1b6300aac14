"""Requests for streams and what became of them (OKX v5, "Subscribe").

Every argument of a request is acknowledged by itself. An error tells in words which argument
is meant, if at all, and may lack the request's id. Where it cannot be told, the request is
made again in two halves, until what is refused stands alone.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from mprism.feeds.okx.channels import Subscription
from mprism.feeds.protocol import Replace, Send

_MOST_ARGUMENTS: Final = 100
_MOST_BYTES: Final = 60_000  # 64 KB are allowed
_MOST_REQUESTS: Final = 480  # an hour on one connection
_HOUR_NS: Final = 3_600_000_000_000
_WORDS: Final = re.compile(r"[\w-]+")

Operation = Literal["subscribe", "unsubscribe"]


@dataclass(slots=True)
class _Asked:
    operation: Operation
    streams: dict[str, None]  # those without an answer


@dataclass(slots=True)
class Verdict:
    """What an error means: streams that are refused or have ended, and what is sent for it."""

    refused: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    sent: list[Send | Replace] = field(default_factory=list)


class Requests:
    """The requests of one connection."""

    def __init__(self, streams: Mapping[str, Subscription]) -> None:
        self._streams = streams
        self._asked: dict[str, _Asked] = {}  # by request id
        self._number = 0
        self._opening = 0  # requests at the opening, whose time is not known
        self._times: deque[int] = deque()  # of the later ones

    @property
    def unacknowledged(self) -> list[str]:
        """Streams for which an answer is missing."""
        return list(dict.fromkeys(s for asked in self._asked.values() for s in asked.streams))

    def open(self) -> Iterator[Send]:
        """Ask for everything."""
        for part in self._parts(list(self._streams)):
            self._opening += 1
            yield self._request("subscribe", part)

    def resubscribe(self, stream: str, recv_ns: int) -> Iterator[Send | Replace]:
        """End a stream and ask for it anew."""
        yield from self._later("unsubscribe", [stream], recv_ns)
        yield from self._later("subscribe", [stream], recv_ns)

    def subscribe(self, stream: str, recv_ns: int) -> Iterator[Send | Replace]:
        """Ask again for a stream that there is not."""
        yield from self._later("subscribe", [stream], recv_ns)

    def answered(self, operation: str, stream: str) -> bool:
        """An argument was acknowledged. Whether that was waited for."""
        for id_, asked in self._asked.items():
            if asked.operation == operation and stream in asked.streams:
                self._forget(id_, stream)
                return True
        return False

    def has_data(self, stream: str) -> bool:
        """Data has come: as good as an acknowledgement, unless it is of a stream that ends."""
        if any(
            asked.operation == "unsubscribe" and stream in asked.streams
            for asked in self._asked.values()
        ):
            return False
        self.answered("subscribe", stream)
        return True

    def failed(self, id_: str | None, msg: str, recv_ns: int) -> Verdict | None:
        """An error has come. None when it belongs to no request."""
        open_ = [
            (number, stream)
            for number, asked in self._asked.items()
            for stream in asked.streams
            if id_ in (None, number)
        ]
        named = [each for each in open_ if self._is_named(each[1], msg)]
        # A stream that is ended and asked for anew is there twice: the first one is meant.
        blamed = list({stream: (number, stream) for number, stream in reversed(named)}.values())
        if not blamed and len(open_) > 1:
            return Verdict(sent=list(self._halve([stream for _, stream in open_], recv_ns)))
        verdict = Verdict()
        for number, stream in blamed or open_:
            is_subscribe = self._asked[number].operation == "subscribe"
            (verdict.refused if is_subscribe else verdict.ended).append(stream)
            self._forget(number, stream)
        return verdict if open_ else None

    def _halve(self, streams: Sequence[str], recv_ns: int) -> Iterator[Send | Replace]:
        """Ask again for what is unanswered; requests to end a stream keep waiting."""
        wanted = [stream for stream in dict.fromkeys(streams) if self.answered("subscribe", stream)]
        middle = (len(wanted) + 1) // 2
        for half in (wanted[:middle], wanted[middle:]):
            for part in self._parts(half):
                yield from self._later("subscribe", part, recv_ns)

    def _is_named(self, stream: str, msg: str) -> bool:
        subscription = self._streams[stream]
        return {subscription.channel, subscription.value} <= set(_WORDS.findall(msg))

    def _forget(self, id_: str, stream: str) -> None:
        streams = self._asked[id_].streams
        del streams[stream]
        if not streams:
            del self._asked[id_]

    def _later(
        self, operation: Operation, streams: Sequence[str], recv_ns: int
    ) -> Iterator[Send | Replace]:
        while self._times and self._times[0] <= recv_ns - _HOUR_NS:
            self._times.popleft()
        if self._opening + len(self._times) >= _MOST_REQUESTS:
            yield Replace("the connection's hourly requests are used up")
            return
        self._times.append(recv_ns)
        yield self._request(operation, streams)

    def _request(self, operation: Operation, streams: Sequence[str]) -> Send:
        self._number += 1
        id_ = str(self._number)
        self._asked[id_] = _Asked(operation, dict.fromkeys(streams))
        arguments = [self._streams[stream].argument for stream in streams]
        request = {"id": id_, "op": operation, "args": arguments}
        return Send(msgspec.json.encode(request).decode())

    def _parts(self, streams: Sequence[str]) -> Iterator[list[str]]:
        """Streams in parts that one request may have."""
        part: list[str] = []
        size = 0
        for stream in streams:
            length = len(msgspec.json.encode(self._streams[stream].argument)) + 1
            if part and (len(part) == _MOST_ARGUMENTS or size + length > _MOST_BYTES):
                yield part
                part, size = [], 0
            part.append(stream)
            size += length
        if part:
            yield part


def streams_of_request(frame: str) -> list[str]:
    """The streams that a frame subscribes to. Raises ValueError for one that is no JSON."""
    if frame == "ping":
        return []
    try:
        request = msgspec.json.decode(frame)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(request, dict) or request.get("op") != "subscribe":
        return []
    arguments = request.get("args")
    if not isinstance(arguments, list):
        return []
    return [
        f"{argument.get('channel')}:{argument.get('instId') or argument.get('instType')}"
        for argument in arguments
        if isinstance(argument, dict)
    ]
