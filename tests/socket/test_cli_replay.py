"""Options of `mprism replay`: which exchanges, and how deep their books are shown."""

from functools import partial
from pathlib import Path

import msgspec

from tests.socket.cli_process import mprism, together
from tests.socket.markets import open_markets
from tests.socket.recorder import record_spot

FILE = "spot.jsonl.gz"


async def test_the_exchange_need_not_be_named(tmp_path: Path) -> None:
    async with open_markets("spot") as (market,):
        await record_spot(tmp_path / FILE, market.simulator, 10)
    by_name, by_itself, shallow, too_deep = await together(
        partial(mprism, tmp_path, "replay", FILE, "--exchange", "binance_spot"),
        partial(mprism, tmp_path, "replay", FILE),
        partial(mprism, tmp_path, "replay", FILE, "--depth", "3"),
        partial(mprism, tmp_path, "replay", FILE, "--exchange", "binance_spot", "--depth", "5000"),
    )
    assert (by_name.returncode, by_itself.returncode) == (0, 0)
    assert by_itself.stdout == by_name.stdout
    assert by_itself.stderr == by_name.stderr
    assert shallow.returncode == 0
    messages = [msgspec.json.decode(line) for line in shallow.stdout.splitlines()]
    tops = [each for each in messages if each.get("update_type") == "snapshot"]
    assert {each["depth_levels"] for each in tops} == {3}
    assert len(messages) == by_name.stdout.count(b"\n")
    assert too_deep.returncode == 2
    assert too_deep.stderr.startswith(b"mprism: --depth: orderbook.depth: 5000 levels cannot be")


async def test_a_recording_of_none_of_the_exchanges_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"kind":"header","venue":"mtgox","recorded_ts":1}\n')
    result = await mprism(tmp_path, "replay", FILE)
    assert result.returncode == 2
    assert result.stderr.startswith(b"mprism: recorded from mtgox, not from binance_spot, ")
    assert b"deribit_derivatives" in result.stderr.splitlines()[0]
