"""NATS subjects: one per data type, exchange, market and symbol."""

from urllib.parse import quote, unquote

# Data type -> (subject prefix, token between market and symbol).
_SUBJECTS: dict[str, tuple[str, str | None]] = {
    "orderbook": ("orderbook-data", None),
    "trade": ("trade-data", None),
    "funding_rate": ("funding-rate-data", None),
    "open_interest": ("open-interest-data", None),
    "liquidation": ("liquidation-data", None),
    "lsr_top_position": ("lsr-data", "top-position"),
    "lsr_all_account": ("lsr-data", "all-account"),
    "volatility_index": ("volatility-index-data", None),
}

DATA_TYPES: tuple[str, ...] = tuple(_SUBJECTS)

STREAM_SUBJECTS: tuple[str, ...] = tuple(
    dict.fromkeys(f"{prefix}.>" for prefix, _ in _SUBJECTS.values())
)
"""What the stream listens on: every prefix, so that a new data type needs no new stream."""


def token_of(symbol: str) -> str:
    """`symbol` as one safe subject token: anything but letters, digits, `-` and `_` becomes %XX."""
    # quote() leaves dots and tildes alone; a dot would split the token.
    return quote(symbol, safe="-").replace(".", "%2E").replace("~", "%7E")


def symbol_of(token: str) -> str:
    """The symbol that `token_of` made this token from."""
    return unquote(token)


def subject_of(data_type: str, exchange: str, market_type: str, symbol: str) -> str:
    """The subject of one instrument's messages of one data type."""
    prefix, infix = _SUBJECTS[data_type]
    middle = f"{market_type}.{infix}" if infix else market_type
    return f"{prefix}.{exchange}.{middle}.{token_of(symbol)}"
