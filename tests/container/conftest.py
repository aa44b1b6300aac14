"""The image, built once for all tests of it, with the nats-server that `mprism demo` needs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from .base import IMAGE, NoBaseError, base_store
from .buildah import Buildah

ROOT = Path(__file__).parents[2]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # of a Debian, and so in the image


@dataclass(frozen=True)
class Image:
    """The built image: its configuration, and one container made from it for all tests."""

    configuration: dict[str, Any]
    buildah: Buildah
    container: str

    def run(self, *command: str, environment: Sequence[str] = ()) -> CompletedProcess[str]:
        """Run a command inside; `environment` holds `NAME=value` above the image's own."""
        return self.buildah.run(self.container, command, environment)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The Dockerfile's image with the locked set `embedded`."""
    if reason := unable():
        pytest.skip(reason)
    dockerfile = ROOT / "Dockerfile"
    try:
        store = base_store(dockerfile)
    except NoBaseError as error:
        pytest.skip(f"no base image: {error}")
    folder = tmp_path_factory.mktemp("image")
    pip_conf = folder / "pip.conf"
    pip_conf.write_text(pip_configuration())
    buildah = Buildah(folder, store)
    name = "localhost/mprism-test"
    options = ["--build-arg", f"PYTHON_IMAGE={IMAGE}", "--build-arg", "LOCK=embedded"]
    options += ["--secret", f"id=pip_conf,src={pip_conf}"]
    if CERTIFICATES.exists():
        options += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    try:
        buildah.build(ROOT, name, *options)
        yield Image(buildah.configuration(name), buildah, buildah("from", name))
    finally:
        shutil.rmtree(folder)


def unable() -> str | None:
    """Why no image can be built here; None if it can."""
    for program in ("buildah", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"needs {program}: apt-get install buildah mmdebstrap"
    if os.geteuid() != 0:
        return "needs root: buildah's chroot isolation and mmdebstrap do"
    return None


def pip_configuration() -> str:
    """This machine's package index in the form of a pip.conf; its folders stay behind."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    )
    settings = {"cert": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        addresses = [part for part in value.strip("'").split() if not part.startswith("file:")]
        if key in {"index-url", "extra-index-url", "proxy", "trusted-host"} and addresses:
            settings[key] = " ".join(addresses)
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""])
