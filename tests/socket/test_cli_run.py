"""`mprism run` from its start to its end by signals, as a process."""

import signal
from pathlib import Path

import pytest

from mprism.schema import Trade, decode
from tests.socket.cli_process import is_alive, mprism, open_run, write_config
from tests.socket.collector_fixture import stored_in
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import open_nats


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_with_everything_stored(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with open_markets(rate=200) as markets:
        write_config(tmp_path, markets)
        async with open_run(tmp_path) as run:
            server = (await run.said("embedded nats-server ready"))["pid"]
            await run.until_ready()
            health = await mprism(tmp_path, "health", "--url", run.url)
            assert (health.returncode, health.stdout) == (0, b"healthy\n")
            assert is_alive(server)
            run.signal(number)
            assert await run.ended() == 0
            assert not is_alive(server)
            stopped = await run.said("stopped")
            assert (stopped["undelivered"], stopped["at_once"]) == (0, False)
            after = await mprism(tmp_path, "health", "--url", run.url)
            assert after.returncode == 1
        async with open_nats(tmp_path / "data" / "nats") as nats:
            stored = [decode(message.payload) for message in await stored_in(nats.url)]
        for market in markets:
            for symbol in market.simulator.truth.symbols:
                ids = [
                    int(event.trade_id)
                    for event in stored
                    if isinstance(event, Trade)
                    and (event.exchange, event.instrument_id) == (market.simulator.exchange, symbol)
                ]
                assert ids
                assert ids == list(range(ids[0], ids[-1] + 1))


async def test_a_second_signal_ends_it_at_once_though_the_broker_hangs(tmp_path: Path) -> None:
    folder = tmp_path / "user"
    async with open_nats(tmp_path) as nats, open_markets(rate=200) as markets:
        write_config(folder, markets)
        async with open_run(folder, "--nats-url", nats.url) as run:
            await run.until_ready()
            nats.pause()
            run.signal(signal.SIGTERM)
            await run.said("stopping")
            assert (await run.get("/health/live")).json()["phase"] == "stopping"
            assert (await run.get("/health/ready")).status_code == 503
            run.signal(signal.SIGTERM)
            # The first signal alone gives it twice as long.
            assert await run.ended(within=10) == 1
            stopped = await run.said("stopped")
            assert stopped["at_once"]
            assert stopped["undelivered"] > 0
