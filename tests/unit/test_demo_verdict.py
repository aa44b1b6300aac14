"""The demo's exit code and report say what its comparison found."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mprism.demo.result import Result
from mprism.demo.run import Options, _judge
from mprism.demo.verdict import Outcomes

ROWS = [
    Result("binance_spot", "orderbook", sent=9, stored=8, compared=10),
    Result("binance_spot", "trade", sent=7, stored=7),
]


def status(**publisher: Any) -> dict[str, Any]:
    latency = {"count": 1, "p50_ms": 1.5, "p99_ms": 2.5, "max_ms": 3.5}
    return {"feeds": [], "publisher": {"dropped": [], "latency": latency, **publisher}}


def options(report: Path | None = None) -> Options:
    return Options(seconds=1, seed=1, rate=10, report=report, faults=True, nats_server=None)


def judged(rows: list[Result], exit_code: int = 0) -> int:
    return _judge(Outcomes(rows, [], status(), exit_code, withheld=0), options())


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(ROWS) == 0
    assert "no wrong book" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["lost", "duplicated", "out_of_order", "wrong"])
def test_one_fault_is_enough(capsys: pytest.CaptureFixture[str], fault: str) -> None:
    for n in range(len(ROWS)):
        rows = list(ROWS)
        rows[n] = replace(rows[n], **{fault: 1})  # type: ignore[arg-type]
        assert judged(rows) == 1
        assert "no wrong book" not in capsys.readouterr().out


def test_nothing_stored_is_a_fault() -> None:
    assert judged([ROWS[0], replace(ROWS[1], stored=0)]) == 1


def test_a_collector_that_failed_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(ROWS, exit_code=3) == 1
    assert "exit code 3" in capsys.readouterr().out


def test_the_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    dropped = [
        {"reason": "backlog_full", "data_type": "orderbook", "messages": 2},
        {"reason": "backlog_full", "data_type": "trade", "messages": 3},
        {"reason": "too_large", "data_type": "trade", "messages": 4},
    ]
    outcomes = Outcomes(ROWS, ["a book is wrong"], status(dropped=dropped), 0, withheld=0)
    assert _judge(outcomes, options(path)) == 1  # what was dropped is missing
    assert json.loads(path.read_text()) == {
        "results": [
            {
                "exchange": "binance_spot",
                "data_type": row.data_type,
                "sent": row.sent,
                "stored": row.stored,
                "lost": 0,
                "duplicated": 0,
                "out_of_order": 0,
                "compared": row.compared,
                "wrong": 0,
            }
            for row in ROWS
        ],
        "latency_ms": {"p50": 1.5, "p99": 2.5, "max": 3.5},
        "dropped": {"backlog_full": 5, "too_large": 4},
        "problems": ["a book is wrong"],
    }
