"""The WebSocket server: handshakes, and a `Connection` for each client that is let in."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection
from wsproto.events import Request as HandshakeRequest
from wsproto.utilities import RemoteProtocolError

from mprism.simulator.connection import Connection
from mprism.simulator.rules import Rules
from mprism.simulator.session import Session
from mprism.simulator.subscribers import Subscribers

HANDSHAKE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake is answered with this HTTP status instead of being accepted."""

    status: int


Admission = Callable[[str], Session | Refusal]
"""Decides about a handshake by its target, e.g. `/stream?streams=btcusdt@trade`."""


class WebSocketServer:
    """Accepts connections; `serve` is the handler of one TCP stream."""

    def __init__(
        self, admit: Admission, subscribers: Subscribers, rules: Rules, counts: Counter[str]
    ) -> None:
        self._admit = admit
        self._subscribers = subscribers
        self._rules = rules
        self._counts = counts

    async def serve(self, transport: trio.SocketStream) -> None:
        """One client from handshake to end. A client that fails harms nobody else."""
        protocol = WSConnection(ConnectionType.SERVER)
        session: Session | None = None
        async with transport:
            try:
                with trio.move_on_after(HANDSHAKE_SECONDS):
                    session = await self._shake_hands(transport, protocol)
            except (trio.BrokenResourceError, RemoteProtocolError):
                self._counts["handshakes_failed"] += 1
            if session is None:
                return
            self._counts["connections_opened"] += 1
            connection = Connection(
                transport, protocol, session, self._subscribers, self._rules, self._counts
            )
            # The client learns that it is connected when it is already known here.
            connection.outbox.put(protocol.send(AcceptConnection()))
            await connection.run()

    async def _shake_hands(
        self, transport: trio.SocketStream, protocol: WSConnection
    ) -> Session | None:
        request = await _handshake_request(transport, protocol)
        if request is None:
            return None
        admitted = self._admit(request.target)
        if not isinstance(admitted, Refusal):
            return admitted
        self._counts["handshakes_refused"] += 1
        await transport.send_all(
            protocol.send(RejectConnection(status_code=admitted.status, has_body=False))
        )
        return None


async def _handshake_request(
    transport: trio.SocketStream, protocol: WSConnection
) -> HandshakeRequest | None:
    while True:
        for event in protocol.events():
            return event if isinstance(event, HandshakeRequest) else None
        data = await transport.receive_some(65_536)
        if not data:
            return None
        protocol.receive_data(data)
