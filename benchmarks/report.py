"""The figures in words, and against the targets."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from benchmarks.costs import Cost
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
    for exchange, costs in groupby(report.costs, lambda cost: cost.exchange):
        yield ""
        yield from _costs(exchange, costs)
    if report.stages:
        yield ""
        yield from _stages(report)
    fast = [("as fast as can be", found) for found in report.stages.get("publish", [])]
    paced = [] if report.paced is None else [("at a steady rate", report.paced)]
    if fast or paced:
        yield ""
    for name, measurement in fast + paced:
        yield _delivery(name, measurement)
    yield ""
    yield from _verdicts(report)


def _costs(exchange: str, costs: Iterable[Cost]) -> Iterator[str]:
    yield f"{'messages':>8}{'characters':>12}{'us each':>10}{'us an event':>13}  {exchange}"
    for cost in costs:
        event = "" if cost.us_per_event is None else f"{cost.us_per_event:.1f}"
        yield (
            f"{cost.messages:>8,}{cost.characters:>12,.0f}{cost.us:>10.1f}{event:>13}"
            f"  {cost.carrier}: {cost.kind}"
        )


def _stages(report: Report) -> Iterator[str]:
    yield f"{'stage':<9}{'frames/s':>10}{'us CPU/frame':>14}{'adds':>8}{'peak MiB':>10}"
    before = None
    for name, rounds in report.stages.items():
        cpu = _cpu_us(rounds)
        adds = "" if before is None else f"{cpu - before:+.1f}"
        if name != "bare":
            before = cpu
        peak = max(found.peak_bytes for found in rounds) / 2**20
        yield f"{name:<9}{_rate(rounds):>10,.0f}{cpu:>14.1f}{adds:>8}{peak:>10.0f}  {_ADDS[name]}"
    pinned = "on one core of its own" if report.pinned else "on any core"
    yield (
        f"each stage in a process {pinned}, best round of {len(rounds)}; "
        f"frames of {report.frame_bytes:.0f} bytes on average"
    )


def _rate(rounds: Sequence[Measurement]) -> float:
    """Frames a second, undisturbed: what disturbs a round only ever adds."""
    return max(found.frames_per_second for found in rounds)


def _cpu_us(rounds: Sequence[Measurement]) -> float:
    return min(found.cpu_us for found in rounds)


def _delivery(name: str, found: Measurement) -> str:
    latency = ", ".join(f"{key} {ms:.1f}" for key, ms in found.latency_ms.items())
    return (
        f"{name}: {found.frames_per_second:,.0f} frames/s, {found.messages:,} messages, "
        f"ms from receipt to acknowledgement: {latency}"
    )


def _verdicts(report: Report) -> Iterator[str]:
    stages = report.stages
    if "bare" in stages and "publish" in stages:
        bare, whole = stages["bare"], stages["publish"]
        for ratio, by in (
            (_rate(whole) / _rate(bare), "time"),
            (_cpu_us(bare) / _cpu_us(whole), "CPU time, which others on the machine disturb less"),
        ):
            yield (
                f"{_word(ratio >= TARGET_RATIO)}: stored and acknowledged at {ratio:.2f} of the "
                f"bare receive rate, wanted at least {TARGET_RATIO}, by {by}"
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
