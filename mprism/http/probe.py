"""Asks a running collector how it is: for `mprism health` and a container's health check.

Only the standard library's client and msgspec: a health check starts a process every few
seconds. Proxy variables of the environment are not heeded, for the collector is near.
"""

from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from mprism.settings import HttpSettings

TIMEOUT_SECONDS = 5.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


class Probe(NamedTuple):
    """What came out: the exit code for the shell, and one line for people."""

    exit_code: int
    line: str


class _Check(msgspec.Struct):
    name: str
    status: str
    reason: str | None = None


class _Answer(msgspec.Struct):
    """What is of interest in the answers of /health, /health/ready and /health/live."""

    status: str | None = None
    checks: list[_Check] = []
    ready: bool | None = None
    reasons: list[str] = []
    alive: bool | None = None


def url_of(settings: HttpSettings) -> str:
    """Where a collector with `settings` answers on this machine."""
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def probe(url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Probe:
    """Ask `url`, or its /health where it has no path.

    Exit code 0 for an answer of 200 (healthy, degraded, ready, alive), else 1, also where
    nobody answers in time or the answer is not a collector's.
    """
    try:
        status, body = _get(url, timeout_seconds)
        answer = msgspec.json.decode(body, type=_Answer)
    except (OSError, HTTPException, ValueError) as error:
        return Probe(1, f"no answer from {url}: {str(error) or type(error).__name__}")
    line = _describe(answer)
    if line is None:
        return Probe(1, f"{url} answered {status}, not as a collector does")
    return Probe(0 if status == 200 else 1, line)


def _get(url: str, timeout_seconds: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not an address like http://127.0.0.1:8086")
    connection = HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path.rstrip("/") or "/health")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _describe(answer: _Answer) -> str | None:
    if answer.status is not None:
        bad = [
            f"{check.name}: {check.reason}" for check in answer.checks if check.status != "healthy"
        ]
        return "; ".join([answer.status, *bad])
    if answer.ready is not None:
        return "; ".join(["ready" if answer.ready else "not ready", *answer.reasons])
    return "alive" if answer.alive else None
