"""What Deribit's error codes mean for us ("Error codes" of its documentation)."""

from typing import Final

import msgspec
from msgspec import Struct

from mprism.feeds.decoding import UNDECODABLE
from mprism.feeds.deribit.wire import ErrorBody
from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled

# Credits are refilled every second; who goes on without any is cut off.
_THROTTLE_SECONDS: Final = 2.0
_THROTTLING: Final = frozenset({10028, 10066})  # too many requests, too many at once
_REFUSING: Final = frozenset({10000, 13004, 13009, 13021, 13778})
# Retry, settlement, full queue, maintenance, internal error, unavailable, timed out.
_PASSING: Final = frozenset({10040, 10041, 10047, 11051, 11094, 13028, 13888})


class _Failed(Struct):
    error: ErrorBody | None = None


_decode = msgspec.json.Decoder(_Failed).decode


def failure_in(body: bytes) -> FeedError | None:
    """The failure that a REST answer tells; None if it tells none."""
    try:
        error = _decode(body).error
    except UNDECODABLE:
        return None  # no answer of the API's own: its status says what it is
    return None if error is None else failure_of(error)


def failure_of(error: ErrorBody) -> FeedError:
    """What an error means; anything that is not known may be over the next time."""
    if error.code in _THROTTLING:
        return Throttled(error.text, _THROTTLE_SECONDS)
    if error.code in _REFUSING or "unauthorized" in error.message:
        return Refused(error.text)
    return NetworkFault(error.text)


def refusal_of(error: ErrorBody) -> FeedError:
    """What an error means that answers a subscription: that is refused for good, mostly."""
    failure = failure_of(error)
    text = f"subscription refused: {error.text}"
    if isinstance(failure, Throttled):
        return Throttled(text, failure.retry_after_seconds)
    return NetworkFault(text) if error.code in _PASSING else Refused(text)
