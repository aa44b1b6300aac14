"""One client's connection to Deribit's WebSocket API, without I/O.

A channel that does not exist is left out of the answer to a subscription and nothing else is
said of it; a single `.raw` channel has the whole request refused. A subscription to a book
begins with all of it, but only if the channel was not subscribed to already.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence

from mprism.simulator.deribit.credits import Credits
from mprism.simulator.deribit.heartbeat import Heartbeat
from mprism.simulator.deribit.market import DeribitMarket
from mprism.simulator.deribit.methods import PublicMethods
from mprism.simulator.deribit.platform import maintenance
from mprism.simulator.deribit.rpc import (
    RAW_REFUSED,
    TOO_MANY_REQUESTS,
    Call,
    RpcError,
    answer,
    invalid,
    read_call,
)
from mprism.simulator.faults import MissingSnapshot, OmitChannels, SessionFault
from mprism.simulator.rules import Rules
from mprism.simulator.session import PolicyBreachError, Reply
from mprism.simulator.wire import Publication

SHORTEST_HEARTBEAT = 10  # seconds


class DeribitSession:
    """The state of one connection. `clock` gives seconds."""

    combined = False
    unit = 1_000

    def __init__(
        self,
        market: DeribitMarket,
        methods: PublicMethods,
        limits: Credits,
        rules: Rules,
        counts: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        self._market = market
        self._methods = methods
        self._limits = limits
        self._rules = rules
        self._counts = counts
        self._clock = clock
        self._channels: dict[str, None] = {}
        self._heartbeat = Heartbeat(rules.time_scale, clock())
        self._refused = 0
        self._omissions: deque[OmitChannels] = deque()
        self._missing_snapshots = 0

    @property
    def delivered(self) -> Collection[str]:
        """The channels that are subscribed to."""
        return self._channels.keys()

    @property
    def due(self) -> float:
        """When the next heartbeat is due, or the end for want of an answer or of any word."""
        return self._heartbeat.due

    def receive(self, text: str) -> Sequence[Reply]:
        """An answer, and the books that a subscription begins with.

        Raises PolicyBreachError for a client that goes on without credits.
        """
        replies = self._replies(text)
        self._heartbeat.heard(self._clock(), idle=not self._channels)
        return replies

    def wake(self) -> Sequence[Reply]:
        """A heartbeat. Raises PolicyBreachError for a client that does not answer it."""
        return self._heartbeat.beat(self._clock())

    def shutdown_notice(self, time_us: int) -> bytes:
        """The platform is locked."""
        return maintenance(locked=True)

    def inject(self, fault: SessionFault) -> None:
        """Make `fault` from now on."""
        match fault:
            case OmitChannels():
                self._omissions.extend([fault] * fault.count)
            case MissingSnapshot():
                self._missing_snapshots += fault.count

    def _replies(self, text: str) -> Sequence[Reply]:
        call: Call | None = None
        try:
            call = read_call(text)
            self._charge(call.method)
            result, openings = self._result(call)
        except RpcError as error:
            id_ = call.id if call else None
            return (answer(self._market.now_us, id_, error=error.body()),)
        return answer(self._market.now_us, call.id, result=result), *openings

    def _charge(self, method: str) -> None:
        if self._limits.charge(method, self._clock()):
            return
        self._refused += 1
        self._counts["calls_refused"] += 1
        if self._refused > self._rules.breaches_before_ban:
            raise PolicyBreachError("too_many_requests")
        raise RpcError(TOO_MANY_REQUESTS, "too_many_requests")

    def _result(self, call: Call) -> tuple[object, Sequence[Publication]]:
        match call.method:
            case "public/subscribe":
                return self._subscribe(call.params.names("channels"))
            case "public/unsubscribe":
                return self._unsubscribe(call.params.names("channels")), ()
            case "public/unsubscribe_all":
                self._channels.clear()
                return "ok", ()
            case "public/set_heartbeat":
                interval = call.params.integer("interval")
                if interval < SHORTEST_HEARTBEAT:
                    raise invalid("interval", f"must be at least {SHORTEST_HEARTBEAT}")
                self._heartbeat.start(interval, self._clock())
                return "ok", ()
            case "public/disable_heartbeat":
                self._heartbeat.stop()
                return "ok", ()
            case "public/test":
                self._heartbeat.answered()
        return self._methods.call(call.method, call.params), ()

    def _subscribe(self, names: list[str]) -> tuple[list[str], list[Publication]]:
        if any(name.endswith(".raw") for name in names):
            raise RpcError(RAW_REFUSED, "raw_subscriptions_not_available_for_unauthorized")
        known = dict.fromkeys(name for name in names if name in self._market.channels)
        accepted = [name for name in known if not self._omits(name)]
        new = [name for name in accepted if name not in self._channels]
        self._channels.update(dict.fromkeys(new))
        if len(self._channels) > self._rules.max_streams:
            raise PolicyBreachError("too many channels")
        openings = (self._opening(name) for name in new)
        return accepted[::-1], [opening for opening in openings if opening is not None]

    def _omits(self, name: str) -> bool:
        for fault in self._omissions:
            if fault.matching in name:
                self._omissions.remove(fault)
                self._counts["channels_omitted"] += 1
                return True
        return False

    def _opening(self, name: str) -> Publication | None:
        if self._missing_snapshots and self._market.is_book(name):
            self._missing_snapshots -= 1
            self._counts["snapshots_missing"] += 1
            return None
        return self._market.opening(name)

    def _unsubscribe(self, names: list[str]) -> list[str]:
        given_up = [name for name in dict.fromkeys(names) if name in self._channels]
        for name in given_up:
            del self._channels[name]
        return given_up
