"""What the demo shows while it runs: a table in a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

_PLAIN_EVERY = 5  # updates


class Screen(Protocol):
    """Somewhere to show the collector's status."""

    def update(self, second: int, status: dict[str, Any], faults: int) -> None:
        """Show the state after `second` seconds and so many faults."""


@contextmanager
def open_screen(console: Console) -> Iterator[Screen]:
    """A screen that fits the console."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield _LiveScreen(live)
    else:
        yield _PlainScreen(console)


class _LiveScreen:
    def __init__(self, live: Live) -> None:
        self._live = live

    def update(self, second: int, status: dict[str, Any], faults: int) -> None:
        table = Table(title=f"mprism demo, {second} s, {faults} faults made", title_justify="left")
        for heading in ("feed", "state", "frames/s", "frames", "rejected", "repeated"):
            table.add_column(heading)
        table.add_column("missing trades")
        table.add_column("books live")
        for feed in status["feeds"]:
            books = f"{len(feed['books_live'])}, {feed['resyncs']} resyncs"
            table.add_row(
                feed["name"],
                feed["state"],
                f"{feed['frames_per_second'] or 0:,.0f}",
                f"{feed['frames']:,}",
                f"{sum(feed['rejected'].values())}",
                f"{feed['duplicates']}",
                f"{sum(feed['gaps'].values())}",
                books if feed["books_live"] or feed["resyncs"] else "",
            )
        table.caption = _delivery(status)
        self._live.update(table)


class _PlainScreen:
    def __init__(self, console: Console) -> None:
        self._console = console

    def update(self, second: int, status: dict[str, Any], faults: int) -> None:
        if second % _PLAIN_EVERY == 0:
            live = sum(feed["state"] == "live" for feed in status["feeds"])
            self._console.print(
                f"{second:4} s  {live}/{len(status['feeds'])} feeds live, {faults} faults made, "
                f"{_delivery(status)}",
                highlight=False,
                soft_wrap=True,
            )


def _delivery(status: dict[str, Any]) -> str:
    publisher = status["publisher"]
    latency = publisher["latency"]
    return (
        f"{publisher['acknowledged']:,} messages stored, receive to acknowledgement "
        f"p50 {latency['p50_ms'] or 0:.1f} ms, p99 {latency['p99_ms'] or 0:.1f} ms"
    )
