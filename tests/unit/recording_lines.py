"""Lines of a recorded session of Binance, and a file of them."""

import gzip
import json
from pathlib import Path
from typing import Any

from tests.unit.binance_payloads import snapshot, wrapped

Line = dict[str, Any]
URL = "wss://stream.binance.com:9443/stream"
TRADES = "btcusdt@trade"
DEPTH = "btcusdt@depth@100ms"
SYMBOLS = [
    {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"},
    {"symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "USDT"},
]
INSTRUMENTS: Line = {
    "kind": "http",
    "url": "https://api.binance.com/api/v3/exchangeInfo?permissions=SPOT",
    "body": json.dumps({"symbols": SYMBOLS}),
}


def header(venue: str = "binance_spot") -> Line:
    """The first line."""
    return {"kind": "header", "venue": venue, "recorded_ts": 1_634_000_000.5}


def opened(*streams: str, url: str = URL) -> Line:
    """A socket opens, with streams in its URL."""
    return {"kind": "open", "url": url + (f"?streams={'/'.join(streams)}" if streams else "")}


def sent(frame: object, url: str = URL) -> Line:
    """A frame that was sent, as text or as an object."""
    text = frame if isinstance(frame, str) else json.dumps(frame)
    return {"kind": "sent", "url": url, "frame": text}


def subscribed(*streams: str) -> Line:
    """A request for streams."""
    return sent({"method": "SUBSCRIBE", "params": streams, "id": 1})


def received(stream: str, data: object) -> Line:
    """An event of a stream."""
    return {"kind": "received", "frame": wrapped(stream, data)}


def answered(last_update_id: int, symbol: str = "BTCUSDT", path: str = "/api/v3/depth") -> Line:
    """A REST snapshot."""
    url = f"https://api.binance.com{path}?symbol={symbol}&limit=1000"
    return {"kind": "http", "url": url, "body": snapshot(last_update_id).decode()}


def write(path: Path, lines: list[Line]) -> Path:
    """A recording whose records come a tenth of a second apart."""
    first, *others = lines
    stamped = [line | {"ts": 1_634_000_001 + n / 10} for n, line in enumerate(others)]
    text = "".join(json.dumps(line) + "\n" for line in (first, *stamped))
    path.write_bytes(gzip.compress(text.encode()))
    return path
