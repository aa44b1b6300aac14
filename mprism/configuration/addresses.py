"""Whether an address can be connected to at all, found out before anything tries."""

from urllib.parse import urlsplit


def address_problem(url: str) -> str | None:
    """What is wrong with a URL whose scheme is right; None when nothing is.

    The text does not repeat the URL, which may have credentials in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:  # brackets of IPv6 that do not close, a port that is no number
        return str(error).split(" from '")[0].split(" as ")[0]
    if not host:
        return "no host"
    if port == 0:
        return "port 0; allowed: 1 to 65535"
    try:
        host.encode("idna")
    except UnicodeError:
        return "the host is no name that can be looked up"
    return None
