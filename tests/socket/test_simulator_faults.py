"""Every fault of the simulated exchanges does what it says, and the truth knows of it."""

from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
import trio
from wsproto.events import AcceptConnection, Ping

from mprism.simulator import BinanceSimulator, Outcome, open_binance, standard_faults
from mprism.simulator.faults import (
    MALFORMED_KINDS,
    Ban,
    Close,
    Fault,
    FragmentFrames,
    LoseFrames,
    MalformedKind,
    MalformFrames,
    RepeatFrames,
    Reset,
    ServerError,
    Silence,
    SlowAnswer,
    StaleSnapshot,
    Throttle,
)
from tests.socket.simulator_client import connect, connect_raw

TRADE, DEPTH = "btcusdt@trade", "btcusdt@depth@100ms"


def expected_ids(sim: BinanceSimulator) -> list[int]:
    return [record.trade_id for record in sim.truth.expected("BTCUSDT")]


def outcomes(sim: BinanceSimulator) -> list[Outcome]:
    return [record.outcome for record in sim.truth.trades("BTCUSDT")]


def decoded(message: str | bytes) -> Any:
    return msgspec.json.decode(message)


ENDS = [(Close(1001), 1001), (Close(4000), 4000), (Close(1006), 1006), (Reset(), 1006)]


@pytest.mark.parametrize(("fault", "code"), ENDS)
async def test_an_end_comes_after_everything_was_read(fault: Fault, code: int) -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.subscribed(TRADE)
        await sim.step(200, orders=30)
        assert await sim.inject(fault) == 1
        messages, ended_with = await client.read_until_closed()
        assert ended_with == code
        received = [decoded(message)["t"] for message in messages]
        assert received == expected_ids(sim)
        assert len(received) >= 30
        await sim.step(orders=1)
        assert outcomes(sim)[-1] is Outcome.UNSUBSCRIBED
        assert list(sim.truth.possible("BTCUSDT")) == []


async def test_what_happens_between_the_last_read_frame_and_the_end_is_withheld() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect_raw(f"{sim.websocket_url}/ws/{TRADE}") as client,
        trio.open_nursery() as nursery,
    ):
        assert isinstance(await client.next_event(), AcceptConnection)
        nursery.start_soon(sim.inject, Close())
        ping = await client.next_event()
        assert isinstance(ping, Ping)
        await sim.step(orders=1)
        assert set(outcomes(sim)) == {Outcome.CLOSING}
        await client.send(ping.response())
        closing = await client.next_event()
        assert closing is not None
        assert closing.code == 1001  # type: ignore[attr-defined]


async def test_a_reset_is_no_orderly_end() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect_raw(f"{sim.websocket_url}/ws") as client,
        trio.open_nursery() as nursery,
    ):
        assert isinstance(await client.next_event(), AcceptConnection)
        nursery.start_soon(sim.inject, Reset())
        ping = await client.next_event()
        assert isinstance(ping, Ping)
        await client.send(ping.response())
        with pytest.raises(trio.BrokenResourceError):
            await client.next_event()


async def test_a_silence_holds_back_answers_and_loses_data() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.step(orders=1)
        before = len(outcomes(sim))
        await sim.inject(Silence(0.3))
        over = trio.current_time() + 0.25
        await sim.step(orders=2)
        messages = await client.read_data()
        assert trio.current_time() >= over
        assert len(messages) == before
        assert set(outcomes(sim)[before:]) == {Outcome.SILENCED}
        await sim.step(orders=1)
        await sim.stop_market()
        later = await client.read_data()
        assert [message["t"] for message in messages + later] == expected_ids(sim)
        assert sim.counts["frames_silenced"] == outcomes(sim).count(Outcome.SILENCED)


async def test_lost_frames_are_not_sent_and_not_expected() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/stream?streams={TRADE}/{DEPTH}") as client,
    ):
        await sim.step(orders=1)
        await sim.inject(LoseFrames(2, "@trade"))
        await sim.inject(LoseFrames(1, "@depth"))
        for _ in range(3):
            await sim.step(orders=2)
        await sim.stop_market()
        messages = await client.read_data()
        trades = [m["data"]["t"] for m in messages if m["stream"] == TRADE]
        events = [m["data"] for m in messages if m["stream"] == DEPTH]
        assert trades == expected_ids(sim)
        assert outcomes(sim).count(Outcome.LOST) == 2
        assert len(trades) + 2 == len(outcomes(sim))
        assert [b["U"] == a["u"] + 1 for a, b in pairwise(events)] == [False, True]
        assert sim.counts["frames_lost"] == 3


async def test_repeated_frames_are_the_same_twice() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.inject(RepeatFrames(2))
        await sim.step(orders=5)
        messages = await client.read_until_listed()
        assert messages[0] == messages[1] != messages[2] == messages[3] != messages[4]
        assert len(set(messages)) == len(messages) - 2 == len(outcomes(sim))


async def test_fragmented_frames_arrive_whole() -> None:
    async with (
        open_binance("spot", symbols=["测试币USDT"], rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/%E6%B5%8B%E8%AF%95%E5%B8%81usdt@trade") as client,
    ):
        await sim.inject(FragmentFrames(3))
        await sim.step(orders=4)
        assert await sim.stop_market()
        received = [message["t"] for message in await client.read_data()]
        assert received == [r.trade_id for r in sim.truth.expected("测试币USDT")]
        assert sim.counts["frames_fragmented"] == 3


class Trade(msgspec.Struct):
    """What a correct reader wants of a trade."""

    e: str
    t: int
    p: str
    q: str


class Depth(msgspec.Struct):
    """What a correct reader wants of a depth event."""

    e: str
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


def is_useless(message: str | bytes, kind: type[Trade | Depth]) -> bool:
    if isinstance(message, bytes):
        return True
    try:
        read = msgspec.json.decode(message, type=kind)
    except msgspec.DecodeError:
        return True
    name = "trade" if isinstance(read, Trade) else "depthUpdate"
    quantities = [read.q] if isinstance(read, Trade) else [q for _, q in read.b + read.a]
    return read.e != name or any(not float(quantity) >= 0 for quantity in quantities)


@pytest.mark.parametrize(("stream", "shape"), [(TRADE, Trade), (DEPTH, Depth)])
@pytest.mark.parametrize(
    "kind", [kind for kind in MALFORMED_KINDS if kind not in ("bad_utf8", "huge")]
)
async def test_a_malformed_frame_is_useless_and_the_next_is_good(
    kind: MalformedKind, stream: str, shape: type[Trade | Depth]
) -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{stream}") as client,
    ):
        await sim.subscribed(stream)
        await sim.inject(MalformFrames(1, kind))
        await sim.step(orders=3)
        await sim.step(orders=3)
        await sim.stop_market()
        first, *others = await client.read_until_listed()
        assert is_useless(first, shape)
        assert others
        assert not any(is_useless(message, shape) for message in others)
        assert sim.counts[f"frames_malformed_{kind}"] == 1
        if stream == TRADE:
            assert outcomes(sim)[0] is Outcome.MALFORMED
            assert [decoded(message)["t"] for message in others] == expected_ids(sim)


async def test_a_malformed_frame_of_a_combined_connection_keeps_its_name() -> None:
    async with (
        open_binance("usdm", rate=0) as sim,
        connect(f"{sim.websocket_url}/public/stream?streams={DEPTH}") as client,
    ):
        await sim.inject(MalformFrames(1, "missing_field"))
        await sim.step(orders=3)
        (message,) = await client.read_data()
        assert message["stream"] == DEPTH
        assert "u" not in message["data"]
        assert "U" in message["data"]


async def test_a_huge_frame_is_larger_than_clients_take_by_default() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        await sim.inject(MalformFrames(1, "huge"))
        await sim.step(orders=1)
        assert await client.read_until_closed() == ([], 1009)


async def test_bad_utf8_ends_the_connection_after_everything_was_read() -> None:
    async with open_binance("spot", rate=0) as sim, trio.open_nursery() as nursery:
        async with connect(f"{sim.websocket_url}/ws/{TRADE}") as client:
            await sim.subscribed(TRADE)
            await sim.step(orders=10)
            nursery.start_soon(sim.inject, MalformFrames(1, "bad_utf8"))
            messages, code = await client.read_until_closed()
        assert code == 1007
        assert [decoded(message)["t"] for message in messages] == expected_ids(sim)
        assert len(messages) >= 10


async def test_frame_faults_count_on_every_connection() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as one,
        connect(f"{sim.websocket_url}/ws/{TRADE}") as two,
    ):
        await sim.subscribed(TRADE)
        assert await sim.inject(LoseFrames(1)) == 2
        await sim.step(orders=1)
        both = await one.read_data(), await two.read_data()
        assert both[0] == both[1]
        assert outcomes(sim)[0] is Outcome.LOST


async def test_a_trade_that_one_of_two_connections_got_counts_as_sent() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}"),
    ):
        await sim.subscribed(TRADE)
        await sim.inject(LoseFrames(1))
        async with connect(f"{sim.websocket_url}/ws/{TRADE}") as two:
            await two.read_data()
            await sim.step(orders=1)
            await sim.stop_market()
            assert set(outcomes(sim)) == {Outcome.CONFIRMED}


async def test_rest_faults() -> None:
    async with (
        open_binance("usdm", rate=0) as sim,
        httpx.AsyncClient(base_url=f"{sim.rest_url}/fapi/v1/") as rest,
    ):
        await sim.step(2_000, orders=5)
        await sim.inject(StaleSnapshot())
        depth = "depth?symbol=BTCUSDT&limit=5"
        stale, fresh = (await rest.get(depth)).json(), (await rest.get(depth)).json()
        assert stale["lastUpdateId"] < fresh["lastUpdateId"]
        await sim.inject(ServerError(500))
        assert [(await rest.get("time")).status_code for _ in range(2)] == [500, 200]
        await sim.inject(SlowAnswer(0.2))
        start = trio.current_time()
        assert (await rest.get("time")).status_code == 200
        assert trio.current_time() - start >= 0.2
        await sim.inject(Throttle(30))
        throttled = await rest.get("time")
        assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "30")
        await sim.inject(Ban(60))
        banned = await rest.get("time")
        assert (banned.status_code, banned.headers["Retry-After"]) == (418, "60")
        assert int(banned.headers["X-MBX-USED-WEIGHT-1M"]) > 0
        assert banned.json()["code"] == -1003
        assert sim.counts["requests"] == 7


async def test_a_client_that_gives_up_on_a_slow_answer_harms_nobody() -> None:
    async with open_binance("spot", rate=0) as sim:
        await sim.inject(SlowAnswer(30.0))
        async with httpx.AsyncClient(base_url=sim.rest_url, timeout=0.1) as hasty:
            with pytest.raises(httpx.ReadTimeout):
                await hasty.get("/api/v3/time")
        async with httpx.AsyncClient(base_url=sim.rest_url) as patient:
            assert (await patient.get("/api/v3/time")).status_code == 200


async def test_a_schedule_is_made_in_order_and_waits_for_the_client_to_be_back() -> None:
    schedule = ((0.0, Close(1001)), (0.0, Close(4001)), (0.0, Throttle(1)))
    async with open_binance("spot", rate=50, schedule=schedule) as sim:
        codes = []
        for _ in range(2):
            async with connect(f"{sim.websocket_url}/ws/{TRADE}") as client:
                codes.append((await client.read_until_closed())[1])
        assert codes == [1001, 4001]
        async with connect(f"{sim.websocket_url}/ws/{TRADE}") as client:
            await client.read()
            assert await sim.stop_market()


async def test_a_schedule_can_end_before_the_market() -> None:
    async with open_binance("spot", rate=0) as sim:
        sim.stop_faults()
        await sim.run_schedule(((0.0, Close()),))
        assert "fault_Close" not in sim.counts


async def test_a_schedule_ends_with_the_market() -> None:
    async with (
        open_binance("spot", rate=50) as sim,
        connect(f"{sim.websocket_url}/ws/{TRADE}"),
    ):
        await sim.subscribed()
        assert await sim.stop_market()
        await sim.run_schedule(((3_600.0, Close()),))
        assert sim.counts["fault_Close"] == 0


async def test_stopping_says_when_a_client_has_not_read_everything() -> None:
    async with (
        open_binance("spot", rate=0) as sim,
        connect_raw(f"{sim.websocket_url}/ws/{TRADE}") as client,
    ):
        assert isinstance(await client.next_event(), AcceptConnection)
        await sim.step(orders=1)
        assert not await sim.stop_market(timeout=0.05)
        assert set(outcomes(sim)) == {Outcome.SENT}


async def test_a_stream_that_the_client_gave_up_is_not_waited_for() -> None:
    async with open_binance("spot", rate=0) as sim:
        async with connect(f"{sim.websocket_url}/ws/{TRADE}") as client:
            await client.request("SUBSCRIBE", DEPTH)
            await client.read()
            await client.request("UNSUBSCRIBE", TRADE)
            await client.read()
            await sim.subscribers.wait_for_wanted()
        async with trio.open_nursery() as nursery:
            for connection in sim.subscribers.connections.copy():
                await connection.closed.wait()
            back = trio.Event()

            async def wait() -> None:
                await sim.subscribers.wait_for_wanted()
                back.set()

            nursery.start_soon(wait)
            async with connect(f"{sim.websocket_url}/ws/{TRADE}") as other:
                await other.read_until_listed()
                assert not back.is_set()
                await other.request("SUBSCRIBE", DEPTH)
                await back.wait()


@pytest.mark.parametrize("seconds", [5.0, 60.0, 600.0])
def test_the_standard_schedule_has_every_kind_and_leaves_time_to_recover(seconds: float) -> None:
    schedule = standard_faults(seconds)
    times = [at for at, _ in schedule]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] <= seconds * 7 / 8
    assert {type(fault) for _, fault in schedule} >= {
        Close,
        Reset,
        Silence,
        LoseFrames,
        RepeatFrames,
        MalformFrames,
        StaleSnapshot,
        Throttle,
        ServerError,
        SlowAnswer,
    }
    (silence,) = (fault for _, fault in schedule if isinstance(fault, Silence))
    assert silence.seconds == min(5.0, seconds / 6)
    kinds = [fault.kind for _, fault in schedule if isinstance(fault, MalformFrames)]
    assert kinds.count("bad_utf8") == 1
    assert len(set(kinds)) >= 5
