"""A plain client of the simulated OKX for tests: asks, and reads everything up to an answer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from mprism.simulator import OkxSimulator
from tests.socket.simulator_client import Client, connect

Arg = dict[str, str]


class OkxClient:
    """One connection."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, operation: str, *args: Arg, id_: str | None = None) -> None:
        """Send a request without waiting for its answer."""
        message: dict[str, Any] = {} if id_ is None else {"id": id_}
        await self.say(msgspec.json.encode({**message, "op": operation, "args": args}).decode())

    async def say(self, text: str) -> None:
        """Send any text."""
        await self.client.connection.send_message(text)

    async def read_all(self) -> list[Any]:
        """Every message up to the answer of a ping that is sent now, decoded."""
        await self.say("ping")
        messages: list[Any] = []
        while (text := await self.client.read_raw()) != "pong":
            messages.append(msgspec.json.decode(text))
        return messages

    async def read_pushes(self) -> list[Any]:
        """The same without acknowledgements and errors."""
        return [message for message in await self.read_all() if "event" not in message]


@asynccontextmanager
async def connect_okx(
    sim: OkxSimulator, path: str = "public", channels: Sequence[str] = ()
) -> AsyncIterator[OkxClient]:
    """Connect, and subscribe to these channels, each written as `channel:value`."""
    async with connect(f"{sim.websocket_url}/ws/v5/{path}") as client:
        okx = OkxClient(client)
        if channels:
            await okx.ask("subscribe", *(arg(channel) for channel in channels))
            await sim.subscribed(*channels)
        yield okx


def arg(stream: str) -> Arg:
    """The argument of a stream that is written as `channel:value`."""
    channel, _, value = stream.partition(":")
    typed = channel in ("instruments", "liquidation-orders")
    return {"channel": channel, "instType" if typed else "instId": value}
