"""What is sent: one USD-M session, recorded or, where there is no recording, modelled.

Only the streams that the collector subscribes to. Recordings are no part of the project and
are read beside it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from mprism.recording import Answer, Received, read_recording
from mprism.simulator.binance.catalog import USDM as CATALOG
from mprism.simulator.binance.catalog import select
from mprism.simulator.binance.exchange_info import usdm_exchange_info
from mprism.simulator.binance.market import BinanceMarket
from mprism.simulator.binance.venue import USDM

RECORDING = (
    Path(__file__).parents[2] / "shared" / "data" / "recordings" / "binance_derivatives.jsonl.gz"
)
STREAMS = ("@depth@100ms", "@aggTrade")

_MODEL_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SUSHIUSDT", "ETHUSDC")
_MODEL_SECONDS = 30
_MODEL_RATE = 30.0  # as busy as the recording, in which each book changes six times a second
_WEIGHT_PER_MINUTE = 2_400


@dataclass(frozen=True, slots=True)
class Source:
    """One session: REST answers and the text frames of the combined streams, in their order."""

    description: str
    exchange_info: bytes
    snapshots: dict[str, bytes]  # by instrument id
    frames: list[str]


class _Envelope(msgspec.Struct):
    stream: str = ""


_envelope = msgspec.json.Decoder(_Envelope).decode


def load_source() -> Source:
    """The recording, or the simulator's market where there is none."""
    if RECORDING.exists():
        return recorded(RECORDING)
    return modelled(time.time_ns() // 1_000, missing=RECORDING)


def recorded(path: Path) -> Source:
    """The session in a recording of `binance_derivatives`."""
    exchange_info = b""
    snapshots: dict[str, bytes] = {}
    frames: list[str] = []
    for record in read_recording(path):
        if isinstance(record, Answer):
            parts = urlsplit(record.url)
            if parts.path.endswith("/exchangeInfo"):
                exchange_info = record.body.encode()
            else:
                snapshots[parse_qs(parts.query)["symbol"][0]] = record.body.encode()
        elif isinstance(record, Received) and _envelope(record.frame).stream.endswith(STREAMS):
            frames.append(record.frame)
    return Source(f"recorded USD-M session {path.name}", exchange_info, snapshots, frames)


def modelled(start_us: int, *, missing: Path) -> Source:
    """A session of the simulator's USD-M market, as busy as a recorded one."""
    market = BinanceMarket(
        USDM,
        select(CATALOG, _MODEL_SYMBOLS),
        seed=1,
        rate=_MODEL_RATE,
        levels=1_000,
        start_us=start_us,
    )
    info = usdm_exchange_info(CATALOG, _WEIGHT_PER_MINUTE, start_us // 1_000)
    snapshots = {}
    for symbol in _MODEL_SYMBOLS:
        opening = market.feeds[symbol].market.opening
        bids, asks = opening.top(1_000)
        now_ms = start_us // 1_000
        body = {"lastUpdateId": opening.update_id, "E": now_ms, "T": now_ms}
        snapshots[symbol] = msgspec.json.encode({**body, "bids": bids, "asks": asks})
    return Source(
        f"simulated USD-M session, because there is no {missing}",
        msgspec.json.encode(info),
        snapshots,
        list(_model_frames(market)),
    )


def _model_frames(market: BinanceMarket) -> Iterator[str]:
    for _ in range(_MODEL_SECONDS):
        for publication in market.advance(market.now_us + 1_000_000):
            if publication.stream.endswith(STREAMS):
                yield publication.payload(True, 1_000).decode()
