"""How the REST interface of a simulated exchange comes to its end."""

from urllib.parse import urlsplit

import trio
from trio.testing import wait_all_tasks_blocked

from mprism.simulator import BinanceSimulator, open_binance
from mprism.simulator.faults import SlowAnswer
from tests.socket.collector_fixture import eventually

ASK = b"GET /fapi/v1/time HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def open_rest_of(sim: BinanceSimulator) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", urlsplit(sim.rest_url).port or 0)


async def test_answers_that_were_made_are_whole_and_no_others_are_made() -> None:
    async with (
        open_binance("usdm", rate=0) as sim,
        await open_rest_of(sim) as slow,
        await open_rest_of(sim) as late,
        trio.open_nursery() as nursery,
    ):
        order: list[str] = []

        async def read() -> None:
            assert b"serverTime" in await slow.receive_some(65_536)
            order.append("answer")

        await sim.inject(SlowAnswer(0.1))
        await slow.send_all(ASK)
        nursery.start_soon(read)
        await eventually(lambda: sim.counts["requests"] == 1)
        await sim.stop_rest()
        order.append("stopped")
        await wait_all_tasks_blocked(0.01)
        assert sorted(order) == ["answer", "stopped"]
        await late.send_all(ASK)
        await wait_all_tasks_blocked(0.01)
        assert sim.counts["requests"] == 1
