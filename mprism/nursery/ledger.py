"""What the publisher counts of each message: received and acknowledged, by coverage."""

from collections.abc import Iterable

from mprism.schema import Event, Message, Route
from mprism.state import Delivery, PublisherState


class Ledger:
    """Writes the counters of `state`. Lies on the way of every message."""

    def __init__(self, state: PublisherState) -> None:
        self._state = state
        # By subject, whose hash is cached: hashing a route costs ten times as much.
        self._deliveries: dict[str, Delivery] = {}

    def received(self, event: Event, route: Route) -> None:
        """`event` came from a feed and goes to `route`."""
        delivery = self._deliveries.get(route.subject) or self._delivery(route)
        delivery.received += 1
        delivery.last_recv_ns = event.ts_recv
        delivery.last_event_ns = event.ts_event

    def acknowledged(self, messages: Iterable[Message], now_ns: int) -> None:
        """The broker has stored `messages`; it is `now_ns` since the epoch."""
        observe = self._state.latency.observe
        for message in messages:
            self._deliveries[message.route.subject].published += 1
            observe((now_ns - message.ts_recv) / 1e9)

    def _delivery(self, route: Route) -> Delivery:
        coverage = (route.exchange, route.market_type, route.data_type)
        delivery = self._state.deliveries.setdefault(coverage, Delivery())
        self._deliveries[route.subject] = delivery
        return delivery
