"""Messages to a NATS server as the bytes of its protocol. Pure.

nats-py spends more on each message than all else that happens to it on its way; bursts of
them are therefore written here. Source: "NATS Client Protocol", PUB and HPUB.
"""

from collections.abc import Iterable, Mapping

Publication = tuple[str, bytes, str, Mapping[str, str] | None]
"""Subject, payload, reply subject (may be empty), headers."""


def written(publications: Iterable[Publication]) -> bytes:
    """All of `publications`, ready for the socket.

    Raises ValueError for a header with a line break, by which a value from outside would
    become a command of its own. Subjects are made by us, of tokens that are safe.
    """
    parts: list[bytes] = []
    for subject, payload, reply, headers in publications:
        if headers is None:
            parts += (f"PUB {subject} {reply} {len(payload)}\r\n".encode(), payload, b"\r\n")
            continue
        lines = "".join([f"\r\n{name}: {value}" for name, value in headers.items()])
        if lines.count("\n") > len(headers) or lines.count("\r") > len(headers):
            raise ValueError(f"a header has a line break: {headers!r}")
        block = f"NATS/1.0{lines}\r\n\r\n".encode()
        size = len(block)
        command = f"HPUB {subject} {reply} {size} {size + len(payload)}\r\n".encode()
        parts += (command, block, payload, b"\r\n")
    return b"".join(parts)
