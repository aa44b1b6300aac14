"""The class of failure that an HTTP status stands for, and how long the exchange says to wait."""

import pytest

from mprism.feeds.errors import (
    LONGEST_RETRY_AFTER_SECONDS,
    MISSING_RETRY_AFTER_SECONDS,
    FeedError,
    NetworkFault,
    Refused,
    Throttled,
    failure_of_status,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (304, None),
        (399, None),
        (400, NetworkFault),
        (401, Refused),
        (403, Refused),
        (404, NetworkFault),
        (418, Throttled),
        (429, Throttled),
        (451, Refused),
        (500, NetworkFault),
        (503, NetworkFault),
    ],
)
def test_every_status_has_its_class_of_failure(status: int, kind: type[FeedError] | None) -> None:
    failure = failure_of_status(status, "GET /depth", None, now=0.0)
    assert type(failure) is (kind or type(None))
    if failure is not None:
        assert str(failure) == f"GET /depth: HTTP {status}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("259200", 259_200.0),
        (None, MISSING_RETRY_AFTER_SECONDS),
        ("", MISSING_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 680.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("in a while", MISSING_RETRY_AFTER_SECONDS),
        # Milliseconds, say, or the end of the ban in place of its length.
        ("1795348855830", LONGEST_RETRY_AFTER_SECONDS),
        ("inf", MISSING_RETRY_AFTER_SECONDS),
        ("nan", MISSING_RETRY_AFTER_SECONDS),
    ],
)
def test_the_exchange_says_how_long_to_wait(header: str | None, seconds: float) -> None:
    failure = failure_of_status(429, "GET /depth", header, now=1_792_567_000.0)
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == seconds
