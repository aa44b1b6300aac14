"""`mprism demo`: nothing lost, doubled or wrong with either server, and a report of fixed shape."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.socket.cli_process import MPRISM, environment, is_alive, mprism, together
from tests.socket.collector_fixture import PATIENCE
from tests.socket.nats_fixture import OLD

RATIOS = ("lsr_all_account", "lsr_top_position")
# They announce their end, and we close: what was on its way then is not confirmed.
ENDED_BY_US = ("okx_spot", "okx_derivatives", "deribit_derivatives")
WELL = b"Nothing lost, nothing duplicated, nothing out of order, no wrong book, no wrong value.\n"
ROWS = [
    (exchange, data_type)
    for exchange, values in (
        ("binance_spot", ()),
        ("binance_derivatives", ("funding_rate", "liquidation", *RATIOS, "open_interest")),
        ("okx_spot", ()),
        ("okx_derivatives", ("funding_rate", "liquidation", *RATIOS, "open_interest")),
        (
            "deribit_derivatives",
            ("funding_rate", "liquidation", "open_interest", "volatility_index"),
        ),
    )
    for data_type in ("orderbook", "trade", *values)
]
STATES = ("orderbook", "funding_rate", "open_interest")  # not every one that is sent is stored
FAULTLESS = ("lost", "duplicated", "out_of_order", "wrong")
COUNTS = ("sent", "stored", *FAULTLESS, "compared")


@pytest.mark.skipif(not OLD.exists(), reason=f"no older nats-server at {OLD}")
async def test_demo_ends_well_with_either_server(tmp_path: Path) -> None:
    demo = partial(mprism, tmp_path, "demo", "--rate", "200", "--seconds", "5")
    results = await together(
        partial(demo, "--report", "new.json"),
        partial(demo, "--report", "old.json", "--nats-server", str(OLD)),
    )
    for result, name in zip(results, ("new.json", "old.json"), strict=True):
        assert result.returncode == 0, result.stdout + result.stderr
        assert WELL in result.stdout
        assert result.stderr == b""
        assert_good(json.loads((tmp_path / name).read_text()))


def assert_good(report: dict[str, Any]) -> None:
    """The report has the shape that is promised, and says that all is well."""
    assert list(report) == ["results", "latency_ms", "dropped", "problems"]
    assert [(row["exchange"], row["data_type"]) for row in report["results"]] == ROWS
    for row in report["results"]:
        assert set(row) == {"exchange", "data_type", *COUNTS}
        assert all(isinstance(row[name], int) for name in COUNTS)
        assert row["sent"] > 0
        assert row["stored"] > 0
        assert [row[name] for name in FAULTLESS] == [0] * len(FAULTLESS)
        assert row["stored"] >= row["sent"] or row["data_type"] in STATES
        match row["data_type"]:
            case "orderbook":
                assert row["compared"] > row["stored"]  # snapshots as well
            case "trade":
                assert row["compared"] == 0
                assert row["stored"] == row["sent"] or row["exchange"] in ENDED_BY_US
            case _:
                assert row["compared"] == row["stored"]
    latency = report["latency_ms"]
    assert set(latency) == {"p50", "p99", "max"}
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    assert report["dropped"] == {}
    assert report["problems"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_an_interrupted_demo_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C reaches the whole foreground group; its children are in sessions of their own."""
    process = await trio.lowlevel.open_process(
        [*MPRISM, "demo", "--rate", "50", "--seconds", "60", "--no-faults"],
        cwd=tmp_path,
        env=environment({"TMPDIR": str(tmp_path)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with process.stdout, process.stderr:
        with trio.fail_after(2 * PATIENCE):
            assert (await process.stdout.receive_some()).startswith(b"mprism demo: 5 simulated")
            # The broker, then the collector.
            while len(children := children_of(process.pid)) < 2:  # noqa: ASYNC110
                await trio.sleep(0.02)
            process.send_signal(number)
            assert await process.wait() == 1
            errors = b"".join([chunk async for chunk in process.stderr])
    assert errors == b"mprism: interrupted\n"
    assert not any(is_alive(child) for child in children)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a look at an empty folder


async def test_the_demo_takes_nothing_that_is_meant_for_another_collector(tmp_path: Path) -> None:
    (tmp_path / "trio.py").write_text("raise SystemExit")
    env = {
        "NATS_STREAM": "MINE",
        "LOG_LEVEL": "ERROR",
        "MPRISM_CONFIG": "/nonexistent",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }
    with trio.fail_after(2 * PATIENCE):
        result = await trio.run_process(
            [
                sys.executable,
                "-P",
                "-m",
                "mprism",
                "demo",
                "--rate",
                "50",
                "--seconds",
                "2",
                "--no-faults",
            ],
            cwd=tmp_path,
            env=environment(env),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert (result.returncode, result.stderr) == (0, b"")


async def test_a_demo_that_nobody_reads_ends_without_a_word(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await trio.run_process(
            [*MPRISM, "demo", "--seconds", "1"],
            cwd=tmp_path,
            env=environment(),
            stdout=writing,
            capture_stderr=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (process.returncode, process.stderr) == (1, b"")


def children_of(pid: int) -> list[int]:
    """The processes that this one has started."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            # pid (name) state ppid: the name may hold anything, but is the last in brackets.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(stat.parent.name))
    return children
