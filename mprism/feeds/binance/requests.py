"""Requests for streams, as they are found in recordings."""

import msgspec


def streams_of_request(frame: str) -> list[str]:
    """The streams that a frame subscribes to. Raises ValueError for one that is no JSON."""
    try:
        request = msgspec.json.decode(frame)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(request, dict) or request.get("method") != "SUBSCRIBE":
        return []
    names = request.get("params")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
