"""The classes of failure that a feed can meet.

Everything that the outside world can do to a connection or a request is one of these; the
supervisor decides by the class alone. Any other exception is a bug and ends the process.
"""

from email.utils import parsedate_to_datetime
from math import isfinite

HTTP_THROTTLED = frozenset({418, 429})
HTTP_REFUSED = frozenset({401, 403, 451})
MISSING_RETRY_AFTER_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 7 * 86_400.0  # bans last for three days at most


class FeedError(Exception):
    """A failure of the exchange or of the way to it. Its text is for operators."""


class NetworkFault(FeedError):
    """Connection lost, time-out, server error: back off and connect again."""


class Throttled(FeedError):
    """The exchange says to wait (429, 418): wait that long, then go on."""

    def __init__(self, text: str, retry_after_seconds: float) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class Refused(FeedError):
    """The exchange does not want us (401, 403, 451) or what we asked for: rare retries only."""


class UnknownSymbol(Exception):
    """A configured symbol that the exchange does not list: bad configuration, not a fault.

    The text names near matches.
    """


def failure_of_status(
    status: int, what: str, retry_after: str | None, *, now: float
) -> FeedError | None:
    """The failure that an HTTP status stands for, or None for one below 400.

    `retry_after` is the header of that name (RFC 9110, 10.2.3): seconds, or a date. `now` is
    in Unix seconds.
    """
    if status < 400:
        return None
    text = f"{what}: HTTP {status}"
    if status in HTTP_THROTTLED:
        return Throttled(text, _seconds(retry_after or "", now))
    if status in HTTP_REFUSED:
        return Refused(text)
    return NetworkFault(text)


def _seconds(retry_after: str, now: float) -> float:
    """The wait that is demanded, within bounds: nonsense must not stop a feed for good."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - now
        except (ValueError, OverflowError):
            return MISSING_RETRY_AFTER_SECONDS
    if not isfinite(seconds):
        return MISSING_RETRY_AFTER_SECONDS
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
