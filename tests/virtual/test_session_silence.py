"""Connections on which nothing comes for long: some are replaced later, some live meanwhile."""

from collections.abc import Sequence
from math import inf

import msgspec
from trio.testing import MockClock

from mprism.feeds.protocol import Continuity
from mprism.state import FeedStatus, StreamState

from .bench import Bench
from .scripted import SETTINGS, ScriptedProtocol


class QuietBench(Bench):
    """A session with a stream of liquidations, say, and perhaps `others` of that patience."""

    patience = inf
    others: Sequence[float] = ()

    def _protocol(self, continuity: Continuity) -> ScriptedProtocol:
        for number, patience in enumerate((self.patience, *self.others)):
            self.feed.state.streams[f"quiet {number}"] = StreamState(patience=patience)
        return super()._protocol(continuity)


class PatientBench(QuietBench):
    """One that must come at some time."""

    patience = 120.0


async def test_acknowledged_silence_is_live_and_lasts_for_15_minutes(
    autojump_clock: MockClock,
) -> None:
    bench = QuietBench([(1, ["answer"])], ends=False)
    await bench.ends_with("no data for 900 s")
    state = bench.feed.state
    assert (state.status, state.last_data_at) == (FeedStatus.LIVE, None)
    assert autojump_clock.current_time() == 900


async def test_silence_is_not_live_before_it_is_acknowledged(autojump_clock: MockClock) -> None:
    bench = QuietBench([(1, ["answer"])], unacknowledged=["quiet"], ends=False)
    await bench.ends_with("no data for 900 s")
    assert bench.feed.state.status is not FeedStatus.LIVE


async def test_a_connection_waits_as_long_as_its_least_patient_stream(
    autojump_clock: MockClock,
) -> None:
    bench = PatientBench([(1, ["answer"])], ends=False)
    bench.others = (300.0, inf)
    await bench.ends_with("no data for 140 s")
    assert bench.feed.state.status is not FeedStatus.LIVE


async def test_a_stream_of_which_data_is_due_must_not_be_silent_for_ever(
    autojump_clock: MockClock,
) -> None:
    bench = PatientBench([(1, ["answer"])], ends=False)
    bench.patience = 3_600.0
    await bench.ends_with("no data for 900 s")
    assert bench.feed.state.status is not FeedStatus.LIVE


async def test_one_stream_that_pushes_all_the_time_is_enough_to_tell(
    autojump_clock: MockClock,
) -> None:
    bench = QuietBench([(1, ["answer"])], ends=False)
    bench.others = (0.0,)
    await bench.ends_with("no data for 20 s")
    assert bench.feed.state.status is not FeedStatus.LIVE


async def test_nobody_waits_less_than_is_configured(autojump_clock: MockClock) -> None:
    patient = msgspec.structs.replace(SETTINGS, idle_timeout_seconds=1_000.0)
    bench = QuietBench([(1, ["answer"])], settings=patient, ends=False)
    await bench.ends_with("no data for 1000 s")
