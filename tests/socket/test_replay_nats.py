"""`mprism replay`: the same bytes each time, and in the stream once however often it is run."""

import gzip
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
import trio

from mprism.nursery.stored import StoredMessage
from mprism.simulator import BinanceSimulator
from tests.socket.cli_process import MPRISM, environment, mprism, together
from tests.socket.collector_fixture import assert_right, stored_in
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import both_servers, open_nats
from tests.socket.recorder import record_spot

FILE = "spot.jsonl.gz"
REPLAY = ("replay", FILE, "--exchange", "binance_spot")


async def recorded(folder: Path, steps: int = 20) -> BinanceSimulator:
    """A recording in `folder`, and the market that was recorded."""
    async with open_markets("spot") as (market,):
        await record_spot(folder / FILE, market.simulator, steps)
        return market.simulator


async def test_replay_prints_the_same_bytes_each_time_and_they_are_right(tmp_path: Path) -> None:
    simulator = await recorded(tmp_path)
    first, second = await together(
        partial(mprism, tmp_path, *REPLAY),
        partial(mprism, tmp_path, *REPLAY, env={"PYTHONHASHSEED": "7"}),
    )
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert first.stderr == second.stderr
    lines = first.stdout.splitlines()
    assert_right([StoredMessage(0, "", None, line) for line in lines], [simulator])
    assert [line.partition(b":")[0] for line in first.stderr.splitlines()] == [
        b"BTCUSDT",
        b"ETHUSDT",
    ]


@both_servers
async def test_replayed_twice_it_is_stored_once(tmp_path: Path, binary: Path) -> None:
    simulator = await recorded(tmp_path)
    async with open_nats(tmp_path, binary) as nats:
        for _ in range(2):
            result = await mprism(tmp_path, *REPLAY, "--output", "nats", "--nats-url", nats.url)
            assert result.returncode == 0, result.stderr
            assert b"lost 0" in result.stderr.splitlines()[-3]
        stored = await stored_in(nats.url)
    assert max(Counter(message.message_id for message in stored).values()) == 1
    assert_right(stored, [simulator])


async def test_without_a_broker_it_goes_into_a_server_of_its_own(tmp_path: Path) -> None:
    simulator = await recorded(tmp_path, steps=3)
    result = await mprism(tmp_path, *REPLAY, "--output", "nats")
    assert result.returncode == 0, result.stderr
    async with open_nats(tmp_path / "data" / "nats") as nats:
        assert_right(await stored_in(nats.url), [simulator])


async def test_what_is_no_recording_of_that_exchange_is_refused(tmp_path: Path) -> None:
    await recorded(tmp_path, steps=1)
    good = gzip.decompress((tmp_path / FILE).read_bytes())
    (tmp_path / "broken").write_bytes(good + b'{"kind":"received"}\n')
    (tmp_path / "cut").write_bytes((tmp_path / FILE).read_bytes()[:-20])
    lines = good.count(b"\n")
    other, unknown, broken, cut = await together(
        partial(mprism, tmp_path, "replay", FILE, "--exchange", "binance_derivatives"),
        partial(mprism, tmp_path, "replay", FILE, "--exchange", "mtgox"),
        partial(mprism, tmp_path, "replay", "broken", "--exchange", "binance_spot"),
        partial(mprism, tmp_path, "replay", "cut", "--exchange", "binance_spot"),
    )
    assert [r.returncode for r in (other, unknown, broken, cut)] == [2, 2, 2, 2]
    assert b"mprism: recorded from binance_spot, not from binance_derivatives" in other.stderr
    assert b"mprism: --exchange: 'mtgox': allowed: binance_spot, " in unknown.stderr
    assert f"mprism: broken:{lines + 1}: ".encode() in broken.stderr
    assert b"mprism: cut: after line " in cut.stderr
    # What came before the bad line is good.
    for line in broken.stdout.splitlines():
        msgspec.json.decode(line)


async def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    await recorded(tmp_path, steps=200)
    assert MPRISM[0] == sys.executable
    result = await trio.run_process(
        ["bash", "-c", f"set -o pipefail; {' '.join(MPRISM + REPLAY)} | head -n 1"],
        cwd=tmp_path,
        env=environment(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert result.returncode == 0
    assert result.stdout.count(b"\n") == 1
    assert b"Traceback" not in result.stderr
    assert b"BrokenPipe" not in result.stderr
