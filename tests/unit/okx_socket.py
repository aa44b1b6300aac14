"""A connection to OKX to feed payloads to, and what came of them in short."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from mprism.feeds.instrument import Instrument
from mprism.feeds.okx.channels import subscriptions
from mprism.feeds.okx.connection import OkxConnection
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Gap,
    Reject,
    Replace,
    Resubscribe,
    Send,
)
from mprism.schema import Event, OrderBook
from mprism.settings import DataType, ExchangeSettings
from mprism.state import StreamState
from tests.unit.okx_payloads import ETH_SPOT, RECV_NS, SPOT, event, pushed


def told(actions: Iterable[Action]) -> list[str]:
    """Actions in short: `s7` and `u5>7` are a snapshot and an update of a book to id 7."""
    return [_told(action) for action in actions]


def _told(action: Action) -> str:
    match action:
        case OrderBook(update_type="snapshot"):
            return f"s{action.last_update_id}"
        case OrderBook():
            return f"u{action.prev_update_id}>{action.last_update_id}"
        case Event():
            return f"{action.data_type} {action.key()}"
        case Fetch():
            return f"fetch {action.key} {action.attempt}"
        case Resubscribe():
            return f"resubscribe {action.stream} {action.attempt}"
        case BookState():
            return "live" if action.live else f"out: {action.reason}"
        case Gap():
            return f"{action.data_type} gap {action.first_id}-{action.last_id}"
        case Reject() | Replace():
            return action.reason
        case Send():
            request = json.loads(action.frame)
            streams = [
                f"{arg['channel']}:{arg.get('instId') or arg['instType']}"
                for arg in request["args"]
            ]
            return f"{request['op']} {' '.join(streams)}"
    raise AssertionError(f"no action: {action!r}")


class Socket:
    """A connection that has asked for everything; `acknowledged` unless told otherwise."""

    def __init__(
        self,
        *instruments: Instrument,
        data_types: Sequence[DataType] = ("orderbook", "trade"),
        continuity: Continuity | None = None,
        acknowledged: bool = True,
        listed: Sequence[Instrument] = (),
        **settings: Any,
    ) -> None:
        self.settings = ExchangeSettings(data_types=tuple(data_types), **settings)
        self.continuity = continuity or Continuity()
        self.states: dict[str, StreamState] = {}
        self.wanted = subscriptions(
            self.settings,
            instruments or (SPOT, ETH_SPOT),
            {each.instrument_id: each for each in listed},
        )
        self.connection = OkxConnection(self.wanted, self.settings, self.continuity, self.states)
        self.opening = list(self.connection.open())
        if acknowledged:
            for stream in self.states:
                assert self.frame(event("subscribe", stream, id="1")) == []

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that were sent when it opened."""
        return [json.loads(action.frame) for action in self.opening if isinstance(action, Send)]

    def frame(self, frame: str | bytes | bytearray, recv_ns: int = RECV_NS) -> list[Action]:
        """All actions of one frame."""
        return list(self.connection.receive(frame, recv_ns))

    def push(self, stream: str, *rows: object, **more: object) -> list[Action]:
        """All actions of a push."""
        return self.frame(pushed(stream, *rows, **more))

    def fetched(self, key: str, body: bytes) -> list[Action]:
        """All actions of a REST answer."""
        return list(self.connection.fetched(key, body, RECV_NS))

    def resubscribe(self, stream: str, recv_ns: int = RECV_NS) -> list[Action]:
        """What ends a stream and asks for it anew."""
        return list(self.connection.resubscribe(stream, recv_ns))
