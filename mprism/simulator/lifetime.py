"""What the server does on its own timing while a connection lasts. Ended with the connection."""

from collections import Counter
from typing import TYPE_CHECKING

import trio

from mprism.simulator.rules import Rules
from mprism.simulator.session import POLICY_VIOLATION

if TYPE_CHECKING:
    from mprism.simulator.connection import Connection

GOING_AWAY = 1001


async def keep_alive(connection: "Connection", rules: Rules, counts: Counter[str]) -> None:
    """Send pings, and end the connection when one is not answered in time."""
    while True:
        await trio.sleep(rules.ping_interval)
        if not await connection.confirm(rules.pong_timeout):
            counts["pong_timeouts"] += 1
            connection.hang_up(POLICY_VIOLATION, "Pong timeout")
            return


async def grow_old(connection: "Connection", rules: Rules, counts: Counter[str]) -> None:
    """End the connection at the greatest age."""
    await trio.sleep(rules.max_age)
    counts["connections_of_age"] += 1
    await connection.close(GOING_AWAY)


async def watch_idleness(connection: "Connection", rules: Rules, counts: Counter[str]) -> None:
    """End the connection when nothing has been said on it for too long."""
    while (  # noqa: ASYNC110 - activity moves the end
        until := connection.active_at + rules.idle_timeout
    ) > trio.current_time():
        await trio.sleep_until(until)
    counts["idle_timeouts"] += 1
    connection.hang_up(rules.idle_code, "No data received in time.")


async def keep_time(connection: "Connection") -> None:
    """Let the session speak when it is due, which every message may change."""
    while True:
        heard = connection.heard
        with trio.move_on_at(connection.session.due):
            await heard.wait()
        if trio.current_time() >= connection.session.due:
            connection.reply(connection.session.wake)
