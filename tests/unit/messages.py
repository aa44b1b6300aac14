"""Messages for tests of what lies between the feeds and the broker."""

from mprism.schema import Message, Route, subject_of


def route(data_type: str = "trade", symbol: str = "BTC-USDT") -> Route:
    subject = subject_of(data_type, "binance_spot", "spot", symbol)
    prefix = f"binance_spot:spot:{symbol}:{data_type}:"
    return Route(data_type, "binance_spot", "spot", symbol, subject, prefix)


def message(
    number: int, data_type: str = "trade", symbol: str = "BTC-USDT", size: int = 10
) -> Message:
    place = route(data_type, symbol)
    return Message(place, f"{place.id_prefix}{number}", b"x" * size, number)
