"""A naive Deribit client for tests of the simulator: asks, reads, keeps books, counts trades."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec

from mprism.simulator.deribit import DeribitSimulator
from mprism.simulator.deribit.server import PATH
from tests.socket.simulator_client import Client, connect

BTC = "BTC-PERPETUAL"


class DeribitClient:
    """One connection. `notes` are the `params` of the messages that were read meanwhile."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.notes: list[Any] = []
        self._ids = count(1)

    async def send(self, method: str, **params: object) -> int:
        """Send a call without waiting for its answer; returns its id."""
        id_ = next(self._ids)
        message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        await self.client.connection.send_message(msgspec.json.encode(message).decode())
        return id_

    async def call(self, method: str, **params: object) -> Any:
        """The answer to a call; what comes before it is noted."""
        id_ = await self.send(method, **params)
        while True:
            raw = await self.client.read_raw()
            message = decoded(raw)
            if isinstance(message, dict) and message.get("id") == id_:
                return message
            self.notes.append(message["params"] if isinstance(message, dict) and message else raw)

    async def subscribe(self, *channels: str) -> Any:
        """What a subscription to these channels results in."""
        return (await self.call("public/subscribe", channels=channels))["result"]

    async def read(self, channel: str) -> list[Any]:
        """The data of everything that has come on a channel up to now."""
        await self.call("public/test")
        return [note["data"] for note in self.notes if note["channel"] == channel]


def decoded(raw: str | bytes) -> Any:
    """A message, or None if it is none."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None


@asynccontextmanager
async def connect_deribit(sim: DeribitSimulator) -> AsyncIterator[DeribitClient]:
    """Open a connection and close it at the end."""
    async with connect(f"{sim.websocket_url}{PATH}") as client:
        yield DeribitClient(client)


def expected_seqs(sim: DeribitSimulator) -> list[int]:
    """The numbers of the trades that a client must have."""
    return [record.trade_id for record in sim.truth.expected(BTC)]


def is_whole(sim: DeribitSimulator, book: list[Any]) -> bool:
    """Whether a book that is kept of these messages is the true one at its end."""
    sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
    for message in book:
        for side, levels in sides.items():
            for _, price, amount in message[side]:
                levels[price] = amount
    kept = [
        sorted((price, amount) for price, amount in levels.items() if amount)
        for levels in sides.values()
    ]
    true = sim.truth.book_at(BTC, book[-1]["change_id"]).top()
    return kept == [sorted((float(p), float(q)) for p, q in side) for side in true]
