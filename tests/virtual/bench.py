"""A session with everything scripted."""

from collections.abc import Mapping, Sequence

import pytest

from mprism.feeds.errors import FeedError, NetworkFault
from mprism.feeds.feed import Feed
from mprism.feeds.protocol import Action, Continuity
from mprism.feeds.session import Session
from mprism.feeds.venue import ConnectionPlan, KeepAlive
from mprism.settings import ExchangeSettings

from .scripted import (
    SETTINGS,
    Recorded,
    ScriptedConnection,
    ScriptedProtocol,
    ScriptedRest,
    Timed,
    make_feed,
)


class Bench:
    """A session whose attempts wait for 1, 2, 4 s and so on."""

    def __init__(
        self,
        frames: Timed = (),
        *,
        script: Mapping[str, Sequence[Action]] | None = None,
        opening: Sequence[Action] = (),
        answers: Sequence[bytes | FeedError] = (),
        unacknowledged: Sequence[str] = (),
        keep_alive: KeepAlive | None = None,
        settings: ExchangeSettings = SETTINGS,
        ends: bool = True,
    ) -> None:
        self.sink = Recorded()
        self.connection = ScriptedConnection(frames, ends)
        self.rest = ScriptedRest(*answers)
        self._script = script or {}
        self._opening = opening
        self._unacknowledged = unacknowledged
        self.protocols: list[ScriptedProtocol] = []
        self.feed: Feed[ConnectionPlan] = make_feed(self.sink, self._protocol, settings, keep_alive)

    def _protocol(self, continuity: Continuity) -> ScriptedProtocol:
        protocol = ScriptedProtocol(
            continuity, self._script, self._opening, [*self._unacknowledged]
        )
        self.protocols.append(protocol)
        return protocol

    async def run(self) -> None:
        """Until the connection ends."""
        self.connection.open()
        await Session(self.feed, self.connection, self.rest, lambda n: 2.0**n).run()

    async def ends_with(self, text: str) -> None:
        """Run; it must end by a network fault of this text."""
        with pytest.RaisesGroup(pytest.RaisesExc(NetworkFault, match=text), flatten_subgroups=True):
            await self.run()
