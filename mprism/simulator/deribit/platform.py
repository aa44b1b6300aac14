"""What Deribit tells of itself: the state of the platform, and instruments that come and go."""

from collections.abc import Iterable, Iterator

from mprism.simulator.deribit.payloads import notification
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

PLATFORM = "platform_state"
KINDS = ("future", "option", "spot", "future_combo", "option_combo", "any")
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "any")
LOCKS_US = 10_000_000  # between two words about a price index
LISTINGS_US = 20_000_000


def instrument_channel(kind: str, currency: str) -> str:
    """The channel with the states of these instruments."""
    return f"instrument.state.{kind}.{currency}"


def maintenance(locked: bool) -> bytes:
    """The platform is locked, or open again."""
    return notification(PLATFORM, {"maintenance": locked})


class Platform:
    """The channels that belong to no instrument."""

    def __init__(self, indexes: Iterable[str]) -> None:
        self.channels = frozenset(
            (PLATFORM, *(instrument_channel(kind, c) for kind in KINDS for c in CURRENCIES))
        )
        self._indexes = sorted(set(indexes))
        self._opens_us: int | None = None  # when maintenance is over
        self._spoken_us = 0
        self._listed_us = 0

    @property
    def values(self) -> tuple[ValueTape, ...]:
        """Nothing of this is recorded."""
        return ()

    def lock(self, until_us: int) -> Publication:
        """Maintenance begins, and is over at this time."""
        self._opens_us = until_us
        return Publication(PLATFORM, lambda _: maintenance(locked=True))

    def due(self, now_us: int) -> Iterator[Publication]:
        """What is to be sent at this time, in order."""
        if self._opens_us is not None and now_us >= self._opens_us:
            self._opens_us = None
            yield Publication(PLATFORM, lambda _: maintenance(locked=False))
        if now_us // LOCKS_US != self._spoken_us // LOCKS_US:
            self._spoken_us = now_us
            for name in self._indexes:
                yield _publication(PLATFORM, {"price_index": name, "locked": False})
        if now_us // LISTINGS_US != self._listed_us // LISTINGS_US:
            self._listed_us = now_us
            yield from _listing(now_us // 1_000)


def _publication(channel: str, data: object) -> Publication:
    return Publication(channel, lambda _: notification(channel, data))


def _listing(time_ms: int) -> Iterator[Publication]:
    """A new option, on every channel that speaks of it."""
    name = f"BTC-25DEC26-{70_000 + time_ms // 20_000 % 100 * 1_000}-C"
    data = {"timestamp": time_ms, "state": "created", "instrument_name": name}
    for kind in ("option", "any"):
        for currency in ("BTC", "any"):
            yield _publication(instrument_channel(kind, currency), data)
