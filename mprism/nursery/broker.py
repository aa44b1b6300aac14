"""What can go wrong with a broker, and how its addresses are written."""

from urllib.parse import urlsplit

import msgspec

from mprism.configuration import mask

_SCHEMES = ("nats", "tls")


class BrokerError(Exception):
    """A fault of the broker or of the way to it; the text is for the operator."""


class BrokerAway(BrokerError):
    """It cannot be reached, does not answer or cannot store now. Trying again may help."""


class BrokerRefused(BrokerError):
    """It answered and will not have us: credentials, permissions, stream configuration."""


class ApiError(msgspec.Struct):
    """An error answer of the JetStream API. `err_code` is the precise one."""

    code: int = 0
    err_code: int = 0
    description: str = ""

    def __str__(self) -> str:
        return f"{self.description} (code {self.code}, err_code {self.err_code})"


def broker_urls(text: str) -> tuple[str, ...]:
    """The addresses in `text`, which separates them by commas.

    Raises ValueError, without showing credentials, on anything but `nats://` and `tls://`.
    """
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    if not urls:
        raise ValueError("no broker address given")
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"{mask(url)!r} is not nats://HOST[:PORT] or tls://HOST[:PORT]")
    return urls
