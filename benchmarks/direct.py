"""The collector's protocols and a simulated exchange, connected without sockets.

What a protocol wants is done at once: a frame that it sends is answered by the exchange's
session, a request by its REST interface. Messages are read in the order in which they came,
one at a time, and each is timed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from benchmarks.costs import Carrier, Costs
from mprism.feeds.protocol import (
    Action,
    BookState,
    Continuity,
    Fetch,
    Gap,
    Reject,
    Replace,
    Request,
    Resubscribe,
    Send,
)
from mprism.feeds.venue import ConnectionPlan, PollPlan
from mprism.schema import Event
from mprism.simulator import AnySimulator
from mprism.simulator.http import Request as HttpRequest
from mprism.simulator.session import Reply
from mprism.simulator.websocket import Refusal
from mprism.simulator.wire import Publication
from mprism.state import StreamState

_MOST_MESSAGES = 10_000  # that one message may lead to; more is a question without an end


class Misread(Exception):
    """Something was not taken as it should be, so that its cost would say nothing."""


class _Message(NamedTuple):
    carrier: Carrier
    of: str  # the endpoint of an answer
    characters: int
    read: Callable[[int], Iterable[Action]]  # is told when it was received, ns


def answer(simulator: AnySimulator, request: Request) -> bytes:
    """The body of the exchange's answer. Raises Misread for an answer that is none."""
    query = urlencode(request.parameters)
    target = f"{request.path}?{query}" if query else request.path
    response = simulator.rest.respond(HttpRequest("GET", target, {}))
    if response.status != 200:
        raise Misread(f"GET {target} was answered {response.status}")
    return response.body


class _Feed:
    """The reading side that connections and polls share."""

    def __init__(
        self,
        name: str,
        fetched: Callable[[str, bytes, int], Iterable[Action]],
        simulator: AnySimulator,
        costs: Costs,
    ) -> None:
        self.name = name.partition("/")[2]  # without the exchange, which the costs name
        self._fetched = fetched
        self._simulator = simulator
        self._costs = costs
        self._waiting: deque[_Message] = deque()

    @property
    def now_ns(self) -> int:
        """The exchange's time."""
        return self._simulator.market.now_us * 1_000

    def perform(self, actions: Iterable[Action]) -> None:
        """Do what the protocol wants, and read all that comes of it. Raises Misread."""
        for action in actions:
            self._act(action)
        for _ in range(_MOST_MESSAGES):
            if not self._waiting:
                return
            for action in self._timed(self._waiting.popleft()):
                self._act(action)
        raise Misread(f"{self.name}: asks on and on")

    def _timed(self, message: _Message) -> Sequence[Action]:
        recv_ns = self.now_ns
        start = perf_counter()
        actions = list(message.read(recv_ns))
        seconds = perf_counter() - start
        events = [action for action in actions if isinstance(action, Event)]
        self._costs.note(message.carrier, message.characters, events, seconds, of=message.of)
        return actions

    def _act(self, action: Action) -> None:
        match action:
            case Fetch(key, request):
                body, endpoint = answer(self._simulator, request), request.path.rpartition("/")[2]
                read = partial(self._fetched, key, body)
                self._waiting.append(_Message("answer", endpoint, len(body), read))
            case Reject() | Gap() | Replace():
                raise Misread(f"{self.name}: {action}")


class DirectConnection(_Feed):
    """A planned connection that is open, subscribed and has what that begins with."""

    def __init__(self, plan: ConnectionPlan, simulator: AnySimulator, costs: Costs) -> None:
        """Raises Misread."""
        self._states: dict[str, StreamState] = {}
        self._protocol = plan.make_protocol(Continuity(), self._states)
        super().__init__(plan.name, self._protocol.fetched, simulator, costs)
        url = urlsplit(plan.url)
        admitted = simulator.admit(f"{url.path}?{url.query}" if url.query else url.path)
        if isinstance(admitted, Refusal):
            raise Misread(f"{self.name}: {plan.url} was answered {admitted.status}")
        self._session = admitted
        self._books: dict[str, BookState] = {}
        self._delivered: frozenset[str] = frozenset()
        self.perform(self._protocol.open())

    def receive(self, publications: Iterable[Publication]) -> None:
        """What the exchange publishes; the part that is subscribed to is read."""
        for publication in publications:
            if publication.stream in self._delivered:
                self._hear(publication)
                self.perform(())

    def wake(self, now: float) -> None:
        """Let the exchange say what it says by itself at this time of its clock."""
        if now >= self._session.due:
            self._say(self._session.wake())
            self.perform(())

    def check(self) -> None:
        """Raises Misread unless everything is subscribed and every book in sequence."""
        for stream in self._protocol.unacknowledged:
            raise Misread(f"{self.name}: {stream} was not acknowledged")
        for stream, state in self._states.items():
            if state.refused:
                raise Misread(f"{self.name}: {stream} was refused: {state.refused}")
        for book in self._books.values():
            if not book.live:
                raise Misread(f"{self.name}: the book of {book.symbol} is {book.reason}")

    def _act(self, action: Action) -> None:
        match action:
            case Send(frame):
                self._say(self._session.receive(frame))
                self._delivered = frozenset(self._session.delivered)
            case Resubscribe(stream):
                for more in self._protocol.resubscribe(stream, self.now_ns):
                    self._act(more)
            case BookState():
                before = self._books.get(action.symbol)
                if before is not None and before.live and not action.live:
                    raise Misread(f"{self.name}: {action}")
                self._books[action.symbol] = action
            case _:
                super()._act(action)

    def _say(self, replies: Iterable[Reply]) -> None:
        for reply in replies:
            self._hear(reply)

    def _hear(self, reply: Reply) -> None:
        if isinstance(reply, Publication):
            reply = reply.payload(self._session.combined, self._session.unit)
        text = reply.decode()
        read = partial(self._protocol.receive, text)
        self._waiting.append(_Message("frame", "", len(text), read))


class DirectPoll(_Feed):
    """A planned poll, whose rounds are made by the exchange's time."""

    def __init__(self, plan: PollPlan, simulator: AnySimulator, costs: Costs) -> None:
        self._protocol = plan.make_protocol(Continuity(), {})
        super().__init__(plan.name, self._protocol.fetched, simulator, costs)
        self._period_ns = int(plan.period_seconds * 1e9)
        self._due_ns = self.now_ns

    def ask_if_due(self) -> None:
        """Make a round, if it is time for one. Raises Misread."""
        if self.now_ns >= self._due_ns:
            self._due_ns += self._period_ns
            self.perform(self._protocol.begin(self.now_ns))
