"""Clients that misbehave: each is dealt with, and no other client notices."""

import httpx
import trio
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, TextMessage

from mprism.simulator import BinanceSimulator, open_binance
from mprism.simulator.faults import Close, Reset
from tests.socket.simulator_client import connect, connect_raw

TRADE = "btcusdt@trade"
UNMASKED_TEXT = b"\x81\x02{}"  # a client has to mask what it sends


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def all_of(transport: trio.SocketStream) -> bytes:
    """Everything that the server says until it ends the connection."""
    said = b""
    async for data in transport:
        said += data
    return said


async def still_serves(sim: BinanceSimulator) -> bool:
    """Whether a new client of each kind is served."""
    async with (
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
        httpx.AsyncClient(base_url=sim.rest_url) as rest,
    ):
        await sim.subscribed(TRADE)
        await sim.step(orders=1)
        answer = await rest.get("/api/v3/ping")
        return answer.status_code == 200 and (await client.read())["e"] == "trade"


async def test_something_else_than_a_handshake() -> None:
    async with open_binance("spot", rate=0) as sim:
        for said in (b"\x00\x01\x02\r\n\r\n", b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"):
            async with await trio.open_tcp_stream("127.0.0.1", port_of(sim.websocket_url)) as tcp:
                await tcp.send_all(said)
                assert await all_of(tcp) == b""
        assert sim.counts["handshakes_failed"] == 2
        assert await still_serves(sim)


async def test_a_client_that_leaves_before_its_handshake() -> None:
    async with open_binance("spot", rate=0) as sim:
        async with await trio.open_tcp_stream("127.0.0.1", port_of(sim.websocket_url)) as tcp:
            await tcp.send_eof()
            assert await all_of(tcp) == b""
        assert sim.counts["connections_opened"] == 0
        assert await still_serves(sim)


async def test_a_frame_that_breaks_the_protocol() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect_raw(f"{sim.websocket_url}/ws") as client,
    ):
        assert isinstance(await client.next_event(), AcceptConnection)
        await client.send_bytes(UNMASKED_TEXT)
        end = await client.next_of(CloseConnection)
        assert isinstance(end, CloseConnection)
        assert end.code == 1002
        assert sim.counts["protocol_errors"] == 1
        assert await still_serves(sim)


async def test_a_client_that_vanishes_and_one_that_says_goodbye() -> None:
    async with open_binance("spot", rate=0) as sim:
        async with connect_raw(f"{sim.websocket_url}/ws") as client:
            await client.next_event()
            (vanishing,) = sim.subscribers.connections
        await vanishing.closed.wait()
        async with connect(f"{sim.websocket_url}/ws"):
            (leaving,) = sim.subscribers.connections
        await leaving.closed.wait()
        assert (sim.counts["ended_abruptly"], sim.counts["ended_by_client"]) == (1, 1)
        assert sim.subscribers.connections == []


async def test_a_client_that_vanishes_while_it_is_written_to() -> None:
    async with open_binance("spot", rate=0) as sim:
        async with connect_raw(f"{sim.websocket_url}/ws/{TRADE}") as client:
            await client.next_event()
            (connection,) = sim.subscribers.connections
            client.reset()
        sim.publish(TRADE, {"pad": "x" * 1_000_000})
        await connection.closed.wait()
        assert await still_serves(sim)


async def test_a_binary_request_is_no_request_and_a_fragmented_one_is_one() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect_raw(f"{sim.websocket_url}/ws") as client,
    ):
        await client.next_event()
        await client.send(BytesMessage(b"\xff\x00"))
        refused = await client.next_of(TextMessage)
        assert isinstance(refused, TextMessage)
        assert refused.data.startswith('{"code":3,')
        for part in ('{"method":', '"LIST_SUB', 'SCRIPTIONS"', ',"id":4'):
            await client.send(TextMessage(part, message_finished=False))
        await client.send(TextMessage("}"))
        assert await client.next_of(TextMessage) == TextMessage('{"result":[],"id":4}')
        assert sim.counts["inbound_limit_breaches"] == 0


async def test_what_a_client_says_after_it_was_cut_off_does_not_count() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect_raw(f"{sim.websocket_url}/ws") as client,
    ):
        await client.next_event()
        for _ in range(8):
            await client.send(Ping(b"x"))
        await client.next_of(CloseConnection)
        assert sim.counts["inbound_limit_breaches"] == 1


async def test_ending_a_connection_that_is_ending_or_over() -> None:
    async with open_binance("spot", rate=0) as sim:
        async with connect_raw(f"{sim.websocket_url}/ws") as client:
            await client.next_event()
            (connection,) = sim.subscribers.connections
            connection.hang_up(1008, "first")
            assert await sim.inject(Close(1001)) == 1
            end = await client.next_of(CloseConnection)
            assert end == CloseConnection(1008, "first")
        await connection.closed.wait()
        await connection.reset()
        assert await sim.inject(Reset()) == 0
        assert not await connection.confirm(1.0)


async def test_http_clients_that_break_the_protocol_or_leave() -> None:
    async with open_binance("spot", rate=0) as sim:
        port = port_of(sim.rest_url)
        for said in (b"\x00\x01\r\n\r\n", b"", b"GET /api/v3/ping HTT"):
            async with await trio.open_tcp_stream("127.0.0.1", port) as tcp:
                await tcp.send_all(said)
                await tcp.send_eof()
                assert await all_of(tcp) == b""
        assert await still_serves(sim)


async def test_http_connections_are_kept_unless_the_client_wants_them_closed() -> None:
    async with open_binance("spot", rate=0) as sim:
        request = b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", port_of(sim.rest_url)) as tcp:
            await tcp.send_all(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
            said = await all_of(tcp)
        assert said.count(b"HTTP/1.1 200") == 2
        async with httpx.AsyncClient(base_url=sim.rest_url) as rest:
            posted = await rest.post("/api/v3/depth", content=b"symbol=BTCUSDT")
            assert posted.status_code == 404
            assert (await rest.get("/api/v3/ping")).status_code == 200
