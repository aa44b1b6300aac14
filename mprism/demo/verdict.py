"""What came out of a run of the demo, in words and as a report."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from mprism.demo.result import Result


class _Console(Console):
    """One that leaves it to us what happens when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


console = _Console()


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came out of a run."""

    results: list[Result]
    problems: list[str]
    status: dict[str, Any]  # of the collector, just before it was stopped
    exit_code: int  # of the collector
    withheld: int  # book updates that a snapshot after an interruption stands for

    @property
    def dropped(self) -> dict[str, int]:
        """Messages that the collector dropped, by reason."""
        dropped: dict[str, int] = {}
        for entry in self.status["publisher"]["dropped"]:
            dropped[entry["reason"]] = dropped.get(entry["reason"], 0) + entry["messages"]
        return dropped

    @property
    def report(self) -> dict[str, object]:
        """The report, as it goes into its file."""
        latency = self.status["publisher"]["latency"]
        return {
            "results": [asdict(result) for result in self.results],
            "latency_ms": {key: latency[f"{key}_ms"] for key in ("p50", "p99", "max")},
            "dropped": self.dropped,
            "problems": self.problems,
        }

    @property
    def is_right(self) -> bool:
        """Whether nothing is lost, duplicated, out of order or wrong."""
        rows_are_right = all(result.is_right for result in self.results)
        return self.exit_code == 0 and not self.dropped and rows_are_right


def say(text: str, style: str | None = None) -> None:
    """Print a line."""
    # Lines are left whole: a terminal wraps them itself, and a log keeps them greppable.
    console.print(text, style=style, highlight=False, soft_wrap=True)


def _troubles(feed: dict[str, Any]) -> Iterator[str]:
    """What the collector tells of a feed besides its messages."""
    if missing := sum(feed["gaps"].values()):
        yield f"{missing:,} trades missing and reported"
    if feed["duplicates"]:
        yield f"{feed['duplicates']:,} repeated messages"
    if feed["resyncs"]:
        yield f"{feed['resyncs']} books resynchronised"
    if feed["rejected"]:
        yield "rejected " + ", ".join(f"{n} {why}" for why, n in feed["rejected"].items())


def print_verdict(outcomes: Outcomes) -> None:
    """All that a user should know of the run."""
    for result in outcomes.results:
        compared = ""
        if result.data_type != "trade":
            what = "books" if result.data_type == "orderbook" else "values"
            compared = f", {result.compared:,} {what} compared, {result.wrong} wrong"
        say(
            f"{result.exchange} {result.data_type}: {result.sent:,} surely read, {result.stored:,} "
            f"stored, {result.lost} lost, {result.duplicated} duplicated, "
            f"{result.out_of_order} out of order{compared}"
        )
    for feed in sorted(outcomes.status["feeds"], key=lambda feed: str(feed["name"])):
        if told := ", ".join(_troubles(feed)):
            say(f"{feed['name']}: {told}")
    say(
        f"{outcomes.withheld} book updates are not stored, because the snapshot after a fault "
        "stands for them"
    )
    for reason, count in outcomes.dropped.items():
        say(f"dropped {count} messages: {reason}", style="red")
    for text in outcomes.problems:
        say(f"wrong: {text}", style="red")
    latency = outcomes.status["publisher"]["latency"]
    say(
        f"receive to acknowledgement: p50 {latency['p50_ms']:.1f} ms, "
        f"p99 {latency['p99_ms']:.1f} ms, max {latency['max_ms']:.1f} ms"
    )
    if outcomes.is_right:
        say(
            "Nothing lost, nothing duplicated, nothing out of order, no wrong book, no wrong value."
        )
    elif outcomes.exit_code:
        say(f"The collector ended with exit code {outcomes.exit_code}.", style="red")
    else:
        say("The stream is not what the exchanges sent.", style="red")
