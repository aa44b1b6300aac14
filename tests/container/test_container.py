"""The Dockerfile's image is built and run with buildah. Skipped where that cannot be.

The first test to ask for the image builds it, hence the long limit.
"""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from mprism.settings import OFFERED, HttpSettings

from .conftest import Image

pytestmark = pytest.mark.timeout(600)


def test_the_demo_runs_inside_and_nothing_is_lost(image: Image) -> None:
    demo = ["demo", "--seconds", "5", "--report", "/tmp/report.json"]
    done = image.run(*image.configuration["Entrypoint"], *demo)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(image.run("cat", "/tmp/report.json").stdout)
    covered = {(row["exchange"], row["data_type"]) for row in report["results"]}
    assert covered == {(name, kind) for name, kinds in OFFERED.items() for kind in kinds}
    for row in report["results"]:
        assert row["stored"] > 0, row
        assert row["lost"] == row["duplicated"] == row["out_of_order"] == 0, row
        assert row["wrong"] == 0, row
        assert (row["compared"] > 0) is (row["data_type"] != "trade"), row


def test_the_collector_starts_answers_its_health_check_and_stops_when_told(image: Image) -> None:
    script = Path(__file__).with_name("lifecycle.py")
    image.buildah("copy", image.container, str(script), f"/tmp/{script.name}")
    command = [*image.configuration["Entrypoint"], *image.configuration["Cmd"]]
    health_check = image.configuration["Healthcheck"]["Test"][1:]
    done = image.run("python", f"/tmp/{script.name}", *command, "--", *health_check)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("degraded; phase: starting")


def test_the_health_check_fails_while_no_collector_runs(image: Image) -> None:
    kind, *command = image.configuration["Healthcheck"]["Test"]
    assert kind == "CMD"  # no shell in between
    done = image.run(*command, environment=["HEALTH_CHECK_PORT=1"])
    assert done.returncode == 1
    assert "no answer from http://127.0.0.1:1" in done.stdout + done.stderr


def test_what_the_image_tells_a_container_engine(image: Image) -> None:
    configuration = image.configuration
    assert configuration["Entrypoint"] == ["mprism"]
    assert configuration["Cmd"] == ["run"]
    assert configuration["StopSignal"] == "SIGTERM"
    assert set(configuration["ExposedPorts"]) == {"8086/tcp", "9093/tcp"}
    assert configuration["Labels"]["org.opencontainers.image.title"] == "mprism"
    grace = timedelta(microseconds=configuration["Healthcheck"]["StartPeriod"] / 1_000)
    assert grace >= timedelta(seconds=HttpSettings().start_grace_seconds)


def test_its_user_is_not_root_and_may_change_only_the_data(image: Image) -> None:
    assert image.configuration["User"] == "10001:10001"
    folders = ["/app", "/app/config", "/app/data", "/app/venv"]
    probe = f"import os; print(os.getuid(), *[f for f in {folders} if os.access(f, os.W_OK)])"
    done = image.run("python", "-c", probe)
    assert done.stdout.split() == ["10001", "/app/data"], done.stderr


def test_pip_and_the_sources_stay_behind(image: Image) -> None:
    imported = image.run("python", "-c", "import mprism; print(mprism.__file__)")
    assert imported.stdout.startswith("/app/venv/lib/"), imported.stderr
    assert "No module named 'pip'" in image.run("python", "-c", "import pip").stderr
    assert image.run("ls", "/app").stdout.split() == ["config", "data", "venv"]
