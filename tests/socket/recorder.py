"""Records a simulated market as `docs/recordings.md` says, for tests of the replay."""

import gzip
from pathlib import Path
from typing import Any

import httpx
import msgspec

from mprism.simulator import BinanceSimulator
from tests.socket.simulator_client import connect

_TS = 1_700_000_000.5


async def record_spot(path: Path, simulator: BinanceSimulator, steps: int) -> None:
    """So many steps of a spot market that is opened with rate 0, gzipped."""
    records: list[dict[str, Any]] = [
        {"kind": "header", "venue": simulator.exchange, "recorded_ts": _TS}
    ]
    symbols = simulator.truth.symbols
    names = [f"{s.lower()}@{c}" for s in symbols for c in ("trade", "depth@100ms")]
    url = f"{simulator.websocket_url}/stream?streams={'/'.join(names)}"
    async with (
        connect(url) as client,
        httpx.AsyncClient(base_url=simulator.rest_url, trust_env=False) as rest,
    ):

        async def ask(path: str) -> None:
            answer = await rest.get(path)
            records.append({"kind": "http", "ts": _TS, "url": str(answer.url), "body": answer.text})

        async def read() -> None:
            frames = await client.read_until_listed()
            records.extend({"kind": "received", "ts": _TS, "frame": frame} for frame in frames)

        await ask("/api/v3/exchangeInfo")
        records.append({"kind": "open", "ts": _TS, "url": url})
        await simulator.step(orders=2)
        await read()
        for symbol in symbols:
            await ask(f"/api/v3/depth?symbol={symbol}&limit=1000")
        for _ in range(steps):
            await simulator.step(orders=2)
        assert await simulator.stop_market()
        await read()
    _write(path, records)


def _write(path: Path, records: list[dict[str, Any]]) -> None:
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    path.write_bytes(gzip.compress(lines))
