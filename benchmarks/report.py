"""The figures in words, and against the targets."""

from collections.abc import Iterator

from benchmarks.measurement import Measurement
from benchmarks.micro import BOOK_UPDATE, WHOLE_UPDATE
from benchmarks.run import Report

TARGET_RATIO = 0.5  # frames/s stored and acknowledged, to frames/s of bare receive
TARGET_UPDATE_US = 100.0

_ADDS = {
    "bare": "plain trio-websocket, get_message",
    "receive": "frames received in lists",
    "protocol": "+ decoded, checked, book, event",
    "encode": "+ JSON message",
    "publish": "+ stored and acknowledged: all of it",
}


def lines(report: Report) -> Iterator[str]:
    """The report, a line each."""
    if report.steps_us:
        yield ""
        yield "one step, us"
        for name, us in report.steps_us.items():
            yield f"{us:10.2f}  {name}"
    if report.stages:
        yield ""
        yield from _stages(report)
    for name, measurement in (
        ("as fast as can be", report.stages.get("publish")),
        ("paced", report.paced),
    ):
        if measurement is not None:
            yield ""
            yield from _delivery(name, measurement)
    yield ""
    yield from _verdicts(report)


def _stages(report: Report) -> Iterator[str]:
    yield f"{'stage':<9}{'frames/s':>10}{'us CPU/frame':>14}{'adds':>8}{'peak MiB':>10}"
    before = None
    for name, found in report.stages.items():
        cpu = found.cpu_us
        adds = "" if before is None else f"{cpu - before:+.1f}"
        if name != "bare":
            before = cpu
        yield (
            f"{name:<9}{found.frames_per_second:>10,.0f}{cpu:>14.1f}{adds:>8}"
            f"{found.peak_bytes / 2**20:>10.0f}  {_ADDS[name]}"
        )
    pinned = "on one core of its own" if report.pinned else "on any core"
    yield f"each stage in a process {pinned}; frames of {report.frame_bytes:.0f} bytes on average"


def _delivery(name: str, found: Measurement) -> Iterator[str]:
    latency = ", ".join(f"{key} {ms:.1f}" for key, ms in found.latency_ms.items())
    yield (
        f"{name}: {found.frames_per_second:,.0f} frames/s, {found.messages:,} messages, "
        f"receive to acknowledgement, ms: {latency}"
    )


def _verdicts(report: Report) -> Iterator[str]:
    stages = report.stages
    if "bare" in stages and "publish" in stages:
        bare, whole = stages["bare"], stages["publish"]
        ratio = whole.frames_per_second / bare.frames_per_second
        per_core = bare.cpu_us / whole.cpu_us
        yield (
            f"{_word(ratio >= TARGET_RATIO)}: stored and acknowledged at {ratio:.2f} of the bare "
            f"receive rate, wanted at least {TARGET_RATIO} (by CPU time {per_core:.2f})"
        )
    for name in (BOOK_UPDATE, WHOLE_UPDATE):
        if name in report.steps_us:
            us, wanted = report.steps_us[name], TARGET_UPDATE_US
            yield f"{_word(us < wanted)}: {us:.0f} us, wanted under {wanted:.0f}: {name}"
    for stored in report.stored:
        yield (
            f"{_word(stored.is_right)}: {stored.messages:,} of {stored.expected:,} messages stored "
            f"and compared, {stored.books:,} of them book snapshots, {stored.wrong} wrong"
        )
    for loss in report.losses:
        yield f"FAIL: {loss}"
    yield "Speed never fails a run: a busy machine is slow. Losses do."


def _word(good: bool) -> str:
    return "PASS" if good else "FAIL"
