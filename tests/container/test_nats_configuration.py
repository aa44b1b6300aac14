"""The shipped nats-server configurations, read by the real server."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "config/nats").glob("*.conf"))
SERVER = str(Path(sys.executable).with_name("nats-server"))
ELSEWHERE = {
    r"^listen: \S+$": "listen: 127.0.0.1:-1",
    r"^http: \S+$": "http: 127.0.0.1:-1",
    r"^  store_dir: \S+$": "  store_dir: {folder}",
}


@contextmanager
def running(file: Path, folder: Path) -> Iterator[str]:
    """The address of the monitoring of a server with the file, but on free loopback ports."""
    text = file.read_text()
    for line, replacement in ELSEWHERE.items():
        text, count = re.subn(line, replacement.format(folder=folder), text, flags=re.MULTILINE)
        assert count == 1, line
    moved = folder / file.name
    moved.write_text(text)
    with subprocess.Popen([SERVER, "-c", str(moved)], stderr=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://{monitoring_address(server)}"
        finally:
            server.terminate()


def monitoring_address(server: subprocess.Popen[str]) -> str:
    """Read the server's log until it is ready."""
    assert server.stderr is not None
    log = ""
    for line in server.stderr:
        log += line
        if "Server is ready" in line:
            break
    match = re.search(r"Starting http monitor on (\S+)", log)
    assert match is not None, log
    return match[1]


def get(url: str) -> dict[str, Any]:
    with urlopen(url) as answer:
        parsed: dict[str, Any] = json.load(answer)
        return parsed


def test_there_is_one_for_a_machine_and_one_for_a_container() -> None:
    assert [file.name for file in FILES] == ["nats-server-docker.conf", "nats-server.conf"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_server_accepts_it(file: Path) -> None:
    done = subprocess.run([SERVER, "-t", "-c", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_jetstream_stores_on_disk_within_a_limit(file: Path, tmp_path: Path) -> None:
    with running(file, tmp_path) as address:
        server = get(f"{address}/varz")
    assert server["server_name"] == "mprism"
    jetstream = server["jetstream"]["config"]
    assert Path(jetstream["store_dir"]).parent == tmp_path
    assert jetstream["max_storage"] == 20 * 1024**3
    assert jetstream["sync_interval"] == 10 * 10**9


def test_the_probe_of_the_compose_file_finds_a_healthy_server(tmp_path: Path) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.unified.yml").read_text())
    url = compose["services"]["nats"]["healthcheck"]["test"][-1]
    path = re.sub(r"^http://127\.0\.0\.1:\d+", "", url)
    with running(ROOT / "config/nats/nats-server-docker.conf", tmp_path) as address:
        assert get(address + path) == {"status": "ok"}


def test_the_one_for_a_machine_is_reached_from_that_machine_only() -> None:
    text = (ROOT / "config/nats/nats-server.conf").read_text()
    assert re.findall(r"^(?:listen|http): (\S+):\d+$", text, re.MULTILINE) == ["127.0.0.1"] * 2
