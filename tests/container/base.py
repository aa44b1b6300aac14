"""The image that the Dockerfile builds on, or a stand-in for it.

Where the Python image of the Dockerfile cannot be pulled, a minimal Debian with its own
python3.13 takes its place. Making it takes a quarter of a minute, so the result is kept in
`$XDG_CACHE_HOME/mprism/container` (by default `~/.cache/mprism/container`); removing that
folder renews it.
"""

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from .buildah import Buildah, BuildahError

IMAGE = "localhost/mprism-python"
SUITE = "trixie"  # the Debian whose python3 is 3.13
PACKAGES = ("ca-certificates", "passwd", "python3", "python3-venv")
LEFT_OUT = ("doc", "info", "locale", "man")  # of /usr/share, as in every slim image
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoBaseError(Exception):
    """Neither can the base be pulled nor a stand-in be made; the text says why."""


def base_store(dockerfile: Path) -> Path:
    """A folder of Buildah's in which IMAGE is the base. Raises NoBaseError."""
    name = base_name(dockerfile)
    recipe = hashlib.sha256(name.encode() + Path(__file__).read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mprism/container"
    store = cache / recipe
    if not store.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            buildah = Buildah(Path(folder) / "store")
            try:
                buildah("pull", name)
                buildah("tag", name, IMAGE)
            except BuildahError:
                stand_in(buildah, Path(folder) / "debian.tar")
            try:
                (Path(folder) / "store").rename(store)
            except OSError:
                if not store.exists():
                    raise  # else another run was faster, with the same result
    return store


def base_name(dockerfile: Path) -> str:
    """The default of the Dockerfile's PYTHON_IMAGE."""
    match = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    assert match is not None
    return match[1]


def stand_in(buildah: Buildah, archive: Path) -> None:
    """Make IMAGE from Debian's packages by way of `archive`. Raises NoBaseError."""
    mmdebstrap = ["mmdebstrap", "--quiet", "--variant=apt"]  # with apt, as in the real one
    mmdebstrap += [f"--include={','.join(PACKAGES)}"]
    mmdebstrap += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in LEFT_OUT]
    mmdebstrap += [SUITE, str(archive), debian_mirror()]
    done = subprocess.run(mmdebstrap, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoBaseError(f"mmdebstrap failed: {done.stderr.strip()}")
    container = buildah("from", "scratch")
    buildah("add", container, str(archive), "/")
    buildah("config", "--env", f"PATH={SEARCH_PATH}", container)
    buildah("commit", "--rm", container, IMAGE)


def debian_mirror() -> str:
    """The address of the Debian archive that apt is configured with. Raises NoBaseError."""
    debian = ["Created-By: Packages", "Component: main", "Origin: Debian", "Label: Debian"]
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", *debian],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode or not done.stdout.strip():
        raise NoBaseError("apt knows no Debian archive: run apt-get update, or add one")
    return done.stdout.split()[0]
