"""Driving buildah: one storage folder, its images and the containers made from them.

Chroot isolation and the vfs driver need no engine, no namespaces and no overlay mounts, so they
work as root inside another container. A chroot shares the host's network and processes.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OUTPUTS = ("tmp/stdout", "tmp/stderr")  # of a command, in its container


class BuildahError(Exception):
    """A buildah command ended non-zero; the text is the command and what it printed."""


class Buildah:
    """Images and containers below `folder`; images of `image_store` are seen, but not changed."""

    def __init__(self, folder: Path, image_store: Path | None = None) -> None:
        self._storage = ["--storage-driver", "vfs", "--root", str(folder / "root")]
        self._storage += ["--runroot", str(folder / "run")]
        if image_store is not None:
            self._storage += ["--storage-opt", f"vfs.imagestore={image_store / 'root'}"]

    def __call__(self, command: str, *arguments: str) -> str:
        """Standard output of one command. Raises BuildahError."""
        done = self._run(command, *arguments)
        if done.returncode:
            text = f"buildah {command} {' '.join(arguments)}: exit {done.returncode}"
            raise BuildahError(f"{text}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def build(self, context: Path, tag: str, *arguments: str) -> None:
        """Build the context's Dockerfile in Docker's format, the one that has a HEALTHCHECK."""
        options = ["--isolation", "chroot", "--format", "docker", "--tag", tag]
        self("build", *options, *arguments, str(context))

    def configuration(self, image: str) -> dict[str, Any]:
        """The image's configuration: `User`, `Env`, `Entrypoint` and so on."""
        inspected = json.loads(self("inspect", "--type", "image", image))
        configuration: dict[str, Any] = inspected["Docker"]["config"]
        return configuration

    def run(
        self, container: str, command: Sequence[str], environment: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the image's user; `environment` holds `NAME=value`.

        The output goes through files: under load buildah loses some of what it relays itself.
        """
        outputs = [Path(self("mount", container)) / name for name in OUTPUTS]
        for output in outputs:
            output.unlink(missing_ok=True)
        settings = [part for setting in environment for part in ("--env", setting)]
        redirect = ["sh", "-c", 'exec "$@" >/{} 2>/{}'.format(*OUTPUTS), "sh"]
        done = self._run(
            "run", "--isolation", "chroot", *settings, container, "--", *redirect, *command
        )
        stdout, stderr = (file.read_text() if file.exists() else "" for file in outputs)
        return subprocess.CompletedProcess(
            command, done.returncode, stdout, stderr + done.stdout + done.stderr
        )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["buildah", *self._storage, *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
