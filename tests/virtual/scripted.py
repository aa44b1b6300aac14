"""An exchange without a network: scripted connections, REST answers and a recorded channel."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from mprism.feeds.errors import FeedError, NetworkFault
from mprism.feeds.feed import Feed
from mprism.feeds.protocol import Action, Continuity, Request, StreamProtocol
from mprism.feeds.transport import Frame
from mprism.feeds.venue import ConnectionPlan, KeepAlive
from mprism.schema import Event, Trade, rfc3339
from mprism.settings import BackoffSettings, ExchangeSettings
from mprism.state import FeedState, StreamState

Timed = Sequence[tuple[float, list[Frame]]]
"""Lists of frames, each with the seconds after opening when it arrives."""


def trade(trade_id: int) -> Trade:
    return Trade(
        exchange="binance_spot",
        market_type="spot",
        symbol="BTC-USDT",
        instrument_id="BTCUSDT",
        timestamp=rfc3339(0),
        ts_event=0,
        ts_recv=0,
        trade_id=str(trade_id),
        price="1",
        quantity="1",
        quantity_unit="base",
        contract_size=None,
        side="buy",
        is_maker=False,
    )


@dataclass
class ScriptedProtocol:
    """Answers a frame with the actions that the script holds for it."""

    continuity: Continuity
    script: Mapping[str, Sequence[Action]]
    opening: Sequence[Action] = ()
    unacknowledged: list[str] = field(default_factory=list)
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    resubscriptions: list[tuple[float, str]] = field(default_factory=list)

    def open(self) -> Iterable[Action]:
        return self.opening

    def receive(self, frame: str | bytes | bytearray, recv_ns: int) -> Iterable[Action]:
        assert isinstance(frame, str)
        if frame.startswith("data"):
            self.continuity.messages += 1
        return self.script.get(frame, ())

    def fetched(self, key: str, body: bytes, recv_ns: int) -> Iterable[Action]:
        self.answers.append((key, body))
        return self.script.get(body.decode(), ())

    def resubscribe(self, stream: str, recv_ns: int) -> Iterable[Action]:
        self.resubscriptions.append((trio.current_time(), stream))
        return self.script.get(f"resubscribe {stream}", ())

    def republish(self, symbol: str, recv_ns: int) -> Iterable[Action]:
        return ()


class ScriptedConnection:
    """Hands over lists of frames at their times (seconds after opening), then ends or waits."""

    def __init__(self, frames: Timed, ends: bool = True) -> None:
        self.oversized = 0
        self.sent: list[tuple[float, str]] = []
        self.at_hand: list[Frame] = []  # behind those of the last list
        self._frames = list(frames)
        self._ends = ends
        self._opened_at = 0.0

    def open(self) -> None:
        self._opened_at = trio.current_time()

    async def receive(self) -> tuple[list[Frame], int]:
        if not self._frames:
            if self._ends:
                raise NetworkFault("closed with 1006")
            await trio.sleep_forever()
        after, frames = self._frames.pop(0)
        await trio.sleep_until(self._opened_at + after)
        return frames, 1

    def take(self) -> tuple[list[Frame], int]:
        frames, self.at_hand = self.at_hand, []
        return frames, 1

    async def send(self, frame: str) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append((trio.current_time(), frame))


class ScriptedExchange:
    """Connections in the order in which they are to be opened; a failure stands for one too."""

    def __init__(self, *connections: ScriptedConnection | FeedError) -> None:
        self._connections = list(connections)
        self.attempts: list[float] = []

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[ScriptedConnection]:
        self.attempts.append(trio.current_time())
        if not self._connections:
            await trio.sleep_forever()
        connection = self._connections.pop(0)
        if isinstance(connection, FeedError):
            raise connection
        connection.open()
        yield connection


class ScriptedRest:
    """Answers from a list; a failure stands for an answer too."""

    def __init__(self, *answers: bytes | FeedError) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[float, str]] = []
        self.reserves: list[float] = []

    def imposed_wait(self, request: Request) -> float:
        return 0.0

    async def get(self, request: Request, reserve: float = 0.0) -> bytes:
        self.requests.append((trio.current_time(), request.path))
        self.reserves.append(reserve)
        await trio.lowlevel.checkpoint()
        answer = self._answers.pop(0)
        if isinstance(answer, FeedError):
            raise answer
        return answer


class Recorded:
    """The publisher's end of the channel: keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def send(self, value: list[Event]) -> None:
        await trio.lowlevel.checkpoint()
        self.events += value


SETTINGS = ExchangeSettings(
    backoff=BackoffSettings(first_seconds=1.0, cap_seconds=8.0, refused_seconds=100.0),
    idle_timeout_seconds=20.0,
    acknowledge_timeout_seconds=5.0,
)


def make_feed(
    sink: Recorded,
    make_protocol: Callable[[Continuity], StreamProtocol],
    settings: ExchangeSettings = SETTINGS,
    keep_alive: KeepAlive | None = None,
) -> Feed[ConnectionPlan]:
    def build(continuity: Continuity, states: dict[str, StreamState]) -> StreamProtocol:
        return make_protocol(continuity)

    plan = ConnectionPlan("feed", "binance_spot", "ws://x", (), (), 4.0, build, keep_alive)
    state = FeedState("feed", "binance_spot", "ws://x", clock=trio.current_time)
    return Feed(plan, settings, state, sink)
