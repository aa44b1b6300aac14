"""How each fault of a connection is made on it."""

import trio

from mprism.simulator.connection import Connection
from mprism.simulator.damage import damaged
from mprism.simulator.faults import (
    Close,
    ConnectionFault,
    MalformFrames,
    MissingSnapshot,
    OmitChannels,
    RefuseArguments,
    Reset,
    ServerShutdown,
    Silence,
)
from mprism.simulator.lifetime import GOING_AWAY


async def inflict(fault: ConnectionFault, connection: Connection, time_us: int) -> None:
    """Make `fault` on `connection`.

    Returns once the connection has ended, where ending it is the fault; once the notice is
    out and the time until the end is over, for a shutdown; and at once otherwise.
    """
    match fault:
        case Close():
            await connection.close(fault.code)
        case Reset():
            await connection.reset()
        case Silence():
            connection.outbox.silence(fault.seconds)
        case ServerShutdown():
            connection.send_text(connection.session.shutdown_notice(time_us))
            if fault.close_after is not None:
                with trio.move_on_after(fault.close_after):
                    await connection.closed.wait()
                await connection.close(GOING_AWAY)
        case MissingSnapshot() | OmitChannels() | RefuseArguments():
            connection.session.inject(fault)
        case MalformFrames(kind="bad_utf8"):
            await connection.end_with(damaged(b"", "bad_utf8"))
        case _:
            connection.faults.add(fault)
