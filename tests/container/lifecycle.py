"""Runs inside the container: a collector from its start to its stop, as an engine would do it.

Arguments: the image's command, then `--` and its health check. Ends 0 when the collector
answered the health check and ended 0 after SIGTERM. The exchanges are out of reach, the broker
is embedded.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

NOWHERE = "websocket_url: ws://127.0.0.1:1\nrest_url: http://127.0.0.1:1\n"


def main() -> None:
    """Start, ask, stop."""
    separator = sys.argv.index("--")
    command, health_check = sys.argv[1:separator], sys.argv[separator + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        write_configuration(Path(folder))
        os.environ |= {"MPRISM_CONFIG": folder, "HTTP_HOST": "127.0.0.1"}
        os.environ |= {"HEALTH_CHECK_PORT": "0", "METRICS_PORT": "0"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as collector:
            try:
                port = listening_port(collector)
                os.environ["HEALTH_CHECK_PORT"] = str(port)
                subprocess.run(health_check, check=True)
            finally:
                collector.send_signal(signal.SIGTERM)
                _, rest = collector.communicate()
    assert collector.returncode == 0, rest


def write_configuration(folder: Path) -> None:
    """A configuration whose exchanges nobody reaches."""
    exchanges = folder / "collector/exchange_configs"
    exchanges.mkdir(parents=True)
    for name in ("binance_spot", "binance_derivatives"):
        (exchanges / f"{name}.yaml").write_text(NOWHERE)


def listening_port(collector: subprocess.Popen[str]) -> int:
    """Read the log until the collector says where it listens."""
    assert collector.stderr is not None
    log = ""
    for line in collector.stderr:
        log += line
        if found := re.search(r"listening .*\bhttp=http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError(log)


if __name__ == "__main__":
    main()
