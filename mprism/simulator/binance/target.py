"""Where a client connects to: the path and query of a WebSocket handshake."""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mprism.simulator.binance.venue import Route, Venue
from mprism.simulator.session import UnknownPathError

MICROSECOND = 1
MILLISECOND = 1_000


class Target(NamedTuple):
    """What a handshake asks for. `unit` is the number of microseconds in the unit of times."""

    route: Route
    combined: bool
    unit: int
    streams: tuple[str, ...]


def parse_target(venue: Venue, target: str) -> Target:
    """Read e.g. `/stream?streams=btcusdt@trade`, `/ws/btcusdt@trade`, `/public/ws`.

    Names may be URL-encoded. Raises UnknownPathError.
    """
    path, query = urlsplit(target)[2:4]
    route, words = _split_route(venue, [unquote(word) for word in path.split("/") if word])
    options = _options(query)
    unit = MILLISECOND
    if venue.microseconds and options.get("timeUnit", "").upper() == "MICROSECOND":
        unit = MICROSECOND
    if words[:1] == ["ws"]:
        return Target(route, False, unit, tuple(words[1:]))
    if words == ["stream"]:
        names = options.get("streams", "").split("/")
        return Target(route, True, unit, tuple(name for name in names if name))
    raise UnknownPathError(target)


def _split_route(venue: Venue, words: list[str]) -> tuple[Route, list[str]]:
    if words and words[0] in venue.routes:
        return venue.routes[words[0]], words[1:]
    return venue.routes[""], words


def _options(query: str) -> dict[str, str]:
    # Not parse_qs: a plus sign in a stream name is no space here.
    pairs = (part.partition("=") for part in query.split("&"))
    return {unquote(name): unquote(value) for name, _, value in pairs}
