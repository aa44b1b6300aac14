"""A connection on which nothing may ever come: live once it is acknowledged, replaced rarely."""

from math import inf

from trio.testing import MockClock

from mprism.feeds.protocol import Continuity
from mprism.state import FeedStatus, StreamState

from .bench import Bench
from .scripted import ScriptedProtocol


class QuietBench(Bench):
    """A session with one stream of liquidations, say."""

    patience = inf

    def _protocol(self, continuity: Continuity) -> ScriptedProtocol:
        self.feed.state.streams["quiet"] = StreamState(patience=self.patience)
        return super()._protocol(continuity)


class PatientBench(QuietBench):
    """One that must come at some time."""

    patience = 3_600.0


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


async def test_a_stream_of_which_data_is_due_must_not_be_silent(autojump_clock: MockClock) -> None:
    bench = PatientBench([(1, ["answer"])], ends=False)
    await bench.ends_with("no data for 20 s")
    assert bench.feed.state.status is not FeedStatus.LIVE
