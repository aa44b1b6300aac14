"""One client's connection to a Binance market-stream server, without I/O.

A subscription is acknowledged whether or not the stream exists or belongs to the route of
the connection; only what exists on the route is ever delivered. Which form of error each
market uses is not settled: this simulator sends `{"code", "msg"}` on spot and nests it in
`error` on USD-M, so that a client has to read both.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from mprism.simulator.binance import payloads
from mprism.simulator.binance.requests import RefusedError, Request, read_request
from mprism.simulator.binance.target import Target
from mprism.simulator.binance.venue import Route
from mprism.simulator.session import PassiveSession, PolicyBreachError


class BinanceSession(PassiveSession):
    """The state of one connection. `served` are the names of the streams that exist."""

    def __init__(
        self,
        target: Target,
        served: Mapping[str, Route],
        *,
        nested_errors: bool,
        max_streams: int,
    ) -> None:
        self.combined = target.combined
        self.unit = target.unit
        self._route = target.route
        self._served = served
        self._nested_errors = nested_errors
        self._max_streams = max_streams
        self._streams: dict[str, None] = {}
        self._subscribe(target.streams)

    @property
    def delivered(self) -> Collection[str]:
        """The subscribed streams that exist and belong to the connection's route."""
        return [name for name in self._streams if self._served.get(name) == self._route]

    def receive(self, text: str) -> tuple[bytes]:
        """The one answer to a request. Raises PolicyBreachError for too many streams."""
        request: Request | None = None
        try:
            request = read_request(text)
            return (msgspec.json.encode({"result": self._result(request), "id": request.id}),)
        except RefusedError as refused:
            error: dict[str, Any] = {"code": refused.code, "msg": refused.msg}
            answer: dict[str, Any] = {"error": error} if self._nested_errors else error
            if request is not None:
                answer["id"] = request.id
            return (msgspec.json.encode(answer),)

    def shutdown_notice(self, time_us: int) -> bytes:
        """`serverShutdown`, in the form in which the connection gets its data."""
        event = payloads.shutdown(time_us, self.unit)
        return b'{"stream":"!serverShutdown","data":%b}' % event if self.combined else event

    def _result(self, request: Request) -> object:
        match request.method:
            case "SUBSCRIBE":
                self._subscribe(request.names())
            case "UNSUBSCRIBE":
                for name in request.names():
                    self._streams.pop(name, None)
            case "LIST_SUBSCRIPTIONS":
                if request.params:
                    raise RefusedError(2, "Invalid request: too many parameters")
                return list(self._streams)
            case "GET_PROPERTY":
                request.property_value(1)
                return self.combined
            case "SET_PROPERTY":
                value = request.property_value(2)
                if not isinstance(value, bool):
                    raise RefusedError(1, "Invalid value type: expected Boolean")
                self.combined = value
        return None

    def _subscribe(self, names: Iterable[str]) -> None:
        self._streams.update(dict.fromkeys(names))
        if len(self._streams) > self._max_streams:
            raise PolicyBreachError("Too many streams")
