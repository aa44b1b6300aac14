"""`mprism check` and what keeps `mprism run` from starting, against real servers."""

from functools import partial
from pathlib import Path

from mprism.simulator import open_binance
from tests.socket.cli_process import mprism, open_run, together, write_config
from tests.socket.markets import open_markets
from tests.socket.nats_fixture import open_nats


async def test_check_lists_what_would_run_and_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "user"
    async with open_nats(tmp_path) as nats, open_markets() as markets:
        spot, usdm = (market.simulator for market in markets)
        write_config(folder, markets)
        check = partial(mprism, folder, "check", "--nats-url", nats.url)
        by_mode = partial(mprism, folder, "run", env={"COLLECTOR_MODE": "check"})
        result, embedded = await together(check, by_mode)
        assert (result.returncode, result.stderr) == (0, b"")
        version = result.stdout.decode().partition("server ")[2].partition(",")[0]
        assert version.startswith("2.")
        assert result.stdout.decode().splitlines() == [
            f"binance_spot: {spot.rest_url}",
            "  orderbook, trade of BTC-USDT, ETH-USDT",
            f"  connection binance_spot/stream-1: {spot.websocket_url}/stream",
            "    4 streams: btcusdt@depth@100ms, btcusdt@trade, ethusdt@depth@100ms, ethusdt@trade",
            f"binance_derivatives: {usdm.rest_url}",
            "  orderbook, trade of BTC-USDT, ETH-USDT",
            f"  connection binance_derivatives/public-1: {usdm.websocket_url}/public/stream",
            "    2 streams: btcusdt@depth@100ms, ethusdt@depth@100ms",
            f"  connection binance_derivatives/market-1: {usdm.websocket_url}/market/stream",
            "    2 streams: btcusdt@aggTrade, ethusdt@aggTrade",
            f"broker {nats.url}: reached, server {version}, stream MARKET_DATA will be created",
            "http: 127.0.0.1, port 0, metrics 0",
            "all is well",
        ]
        assert (embedded.returncode, embedded.stderr) == (0, b"")
        assert "broker: embedded, " in embedded.stdout.decode()
        assert "connections_opened" not in spot.counts | usdm.counts
        assert [path.name for path in folder.iterdir()] == ["config"]


async def test_check_tells_everything_that_is_wrong(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as nats, open_markets("spot") as markets:
        for name in ("away", "unknown", "shut"):
            write_config(tmp_path / name, markets)
        below_a_file = {"data_folder": "config/logging/logging_config.yaml/nats"}
        collector = {"exchanges": ["binance_spot"], "nats": below_a_file}
        write_config(tmp_path / "folder", markets, {"collector": collector})
        unknown = {"rest_url": markets[0].simulator.rest_url, "symbols": ["BTC-USDTT"]}
        write_config(tmp_path / "unknown", markets, {"binance_spot": unknown})
        shut = {"rest_url": "http://127.0.0.1:9"}
        write_config(tmp_path / "shut", markets, {"binance_spot": shut})
        nowhere = "nats://user:secret@127.0.0.1:9"
        away, misspelt, unreachable, run, folderless = await together(
            partial(mprism, tmp_path / "away", "check", "--nats-url", nowhere),
            partial(mprism, tmp_path / "unknown", "check", "--nats-url", nats.url),
            partial(mprism, tmp_path / "shut", "check", "--nats-url", nats.url),
            partial(mprism, tmp_path / "unknown", "run", "--nats-url", nats.url),
            partial(mprism, tmp_path / "folder", "check"),
        )
        assert away.returncode == 1
        assert b"broker nats://***@127.0.0.1:9: no connection" in away.stderr
        assert b"secret" not in away.stderr + away.stdout
        assert away.stderr.endswith(b"not all is well\n")
        assert misspelt.returncode == 2
        assert b"BTC-USDTT" in misspelt.stderr
        assert b"BTC-USDT," in misspelt.stderr or b"BTC-USDT\n" in misspelt.stderr
        assert b"reached, server" in misspelt.stdout
        assert unreachable.returncode == 1
        assert b"cannot read the instruments: GET /api/v3/exchangeInfo" in unreachable.stderr
        assert run.returncode == 2
        (line,) = [line for line in run.stderr.splitlines() if line.startswith(b"mprism: ")]
        assert b"BTC-USDTT" in line
        assert b"Traceback" not in run.stderr
        assert folderless.returncode == 1
        assert b"data_folder config/logging/logging_config.yaml/nats cannot be used" in (
            folderless.stderr
        )


async def test_check_says_where_there_is_nothing_to_collect(tmp_path: Path) -> None:
    async with open_binance("usdm", symbols=("BTCUSDT_261225",), rate=0) as usdm:
        dated = {
            "rest_url": usdm.rest_url,
            "symbols": ["BTC-USDT-261225"],
            "data_types": ["lsr_all_account", "funding_rate", "funding_rate"],
        }
        files = {
            "collector": {"exchanges": ["binance_derivatives"]},
            "binance_derivatives": dated,
        }
        write_config(tmp_path, files=files)
        result = await mprism(tmp_path, "check")
    assert result.returncode == 2
    assert result.stderr.decode().splitlines() == [
        "  nothing to collect: there is no lsr_all_account, funding_rate of BTC-USDT-261225",
        "not all is well",
    ]


async def test_a_port_or_a_folder_in_use_is_said_with_what_to_set(tmp_path: Path) -> None:
    one = {"exchanges": ["binance_spot"]}
    nowhere = {"rest_url": "http://127.0.0.1:9"}
    write_config(tmp_path, files={"collector": one, "binance_spot": nowhere})
    async with open_run(tmp_path) as run:
        url = (await run.said("listening"))["http"]
        await run.said("embedded nats-server ready")
        port = url.rpartition(":")[2]
        taken, locked = await together(
            partial(mprism, tmp_path, "run", "--health-port", port),
            partial(mprism, tmp_path, "run"),
        )
        assert taken.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port}: another process has it" in (
            taken.stderr.decode()
        )
        assert b"Set http.port or HEALTH_CHECK_PORT to a free port" in taken.stderr
        assert locked.returncode == 1
        assert f"is in use by process {run.process.pid}" in locked.stderr.decode()
        for result in (taken, locked):
            assert b"Traceback" not in result.stderr
