"""One client's connection to the public or the business socket of OKX, without I/O.

Each argument of a request is acknowledged or refused on its own. A channel that belongs to
the other socket does not exist here. Right after its acknowledgement comes what a
subscription begins with: the whole book, the last values, the past liquidations.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mprism.simulator.faults import MissingSnapshot, RefuseArguments, SessionFault
from mprism.simulator.okx.push import key_of
from mprism.simulator.okx.requests import (
    LOGIN_FAILED,
    NO_SUCH_CHANNEL,
    TOO_FREQUENT,
    RefusedError,
    Request,
    read_request,
)
from mprism.simulator.rules import Rules
from mprism.simulator.session import PassiveSession, Reply
from mprism.simulator.wire import Publication

Opening = Callable[[], Iterable[Publication]]
"""Gives the messages that a new subscription of a stream begins with."""


class OkxSession(PassiveSession):
    """The state of one connection. `served` are the streams of its path, by name."""

    combined = False
    unit = 1_000

    def __init__(
        self,
        served: Mapping[str, Opening],
        connection_id: str,
        rules: Rules,
        clock: Callable[[], float],
    ) -> None:
        self._served = served
        self._connection_id = connection_id
        self._rules = rules
        self._clock = clock
        self._requests: deque[float] = deque(maxlen=rules.requests)
        self._streams: dict[str, None] = {}
        self._missing_snapshots = 0
        self._refusals: list[RefuseArguments] = []

    @property
    def delivered(self) -> Collection[str]:
        """The subscribed streams."""
        return self._streams

    def receive(self, text: str) -> Sequence[Reply]:
        """The answers to a message, one for each argument, each with its first data."""
        if text == "ping":
            return [b"pong"]
        try:
            request = read_request(text)
            self._admit(request)
        except RefusedError as refused:
            return [self._event("error", refused.id, code=refused.code, msg=refused.msg)]
        answer = self._subscribe if request.operation == "subscribe" else self._unsubscribe
        return [reply for arg in request.args for reply in answer(arg, request.id)]

    def shutdown_notice(self, time_us: int) -> bytes:
        """`notice` 64008: the connection will be closed for an upgrade."""
        msg = "The connection will soon be closed for a service upgrade. Please reconnect."
        return self._event("notice", None, code="64008", msg=msg)

    def inject(self, fault: SessionFault) -> None:
        """Leave out books that open subscriptions, or refuse arguments."""
        match fault:
            case MissingSnapshot():
                self._missing_snapshots += fault.count
            case RefuseArguments():
                self._refusals += [fault] * fault.count

    def _admit(self, request: Request) -> None:
        now = self._clock()
        full = len(self._requests) == self._requests.maxlen
        if full and now - self._requests[0] < self._rules.request_window:
            raise RefusedError(TOO_FREQUENT, "Requests too frequent.", request.id)
        self._requests.append(now)
        if request.operation == "login":
            raise RefusedError(LOGIN_FAILED, "Login failed.", request.id)

    def _subscribe(self, arg: dict[str, str], id_: str | None) -> Iterable[Reply]:
        stream = _stream_of(arg)
        if stream not in self._served or self._is_refused(stream):
            named = ",".join(f"{name}:{value}" for name, value in arg.items())
            yield self._event(
                "error",
                id_,
                code=NO_SUCH_CHANNEL,
                msg=f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel "
                "and parameters referring to API document.",
            )
            return
        yield self._event("subscribe", id_, arg=arg)
        if stream in self._streams:
            return
        self._streams[stream] = None
        if stream.startswith("books:") and self._missing_snapshots:
            self._missing_snapshots -= 1
            return
        yield from self._served[stream]()

    def _unsubscribe(self, arg: dict[str, str], id_: str | None) -> Iterable[Reply]:
        self._streams.pop(_stream_of(arg), None)
        yield self._event("unsubscribe", id_, arg=arg)

    def _is_refused(self, stream: str) -> bool:
        for refusal in self._refusals:
            if refusal.matching in stream:
                self._refusals.remove(refusal)
                return True
        return False

    def _event(self, event: str, id_: str | None, **more: Any) -> bytes:  # noqa: ANN401
        message = {} if id_ is None else {"id": id_}
        return msgspec.json.encode(
            {**message, "event": event, **more, "connId": self._connection_id}
        )


def _stream_of(arg: dict[str, str]) -> str:
    """The stream that an argument names. With another parameter it names none."""
    channel = arg.get("channel", "")
    return f"{channel}:{arg.get(key_of(channel), '')}"
