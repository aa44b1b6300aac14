"""The books of the simulated OKX over real sockets: chains, snapshots, and what breaks them."""

from itertools import pairwise
from typing import Any

import httpx

from mprism.simulator import open_okx
from mprism.simulator.faults import LoseFrames, MissingSnapshot, ResetSequence
from mprism.simulator.truth import Truth
from tests.socket.okx_client import arg, connect_okx

SWAP = "BTC-USDT-SWAP"
BOOKS = f"books:{SWAP}"

Sides = tuple[dict[str, str], dict[str, str]]


def start(row: dict[str, Any]) -> Sides:
    """The sides of a whole book."""
    bids, asks = ({level[0]: level[1] for level in row[side]} for side in ("bids", "asks"))
    return bids, asks


def apply(sides: Sides, row: dict[str, Any]) -> None:
    for side, changes in zip(sides, (row["bids"], row["asks"]), strict=True):
        for price, size, _, _ in changes:
            if size == "0":
                side.pop(price, None)
            else:
                side[price] = size


def ordered(sides: Sides) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    bids, asks = (sorted(side.items(), key=lambda level: float(level[0])) for side in sides)
    return bids[::-1], asks


def assert_true(truth: Truth, symbol: str, pushes: list[Any]) -> None:
    """The pushes of one book chain from a snapshot on, and each state is the true one."""
    assert pushes[0]["action"] == "snapshot"
    (first,) = pushes[0]["data"]
    assert first["prevSeqId"] == -1
    sides, last = start(first), first["seqId"]
    assert ordered(sides) == truth.book_at(symbol, last).top()
    for push in pushes[1:]:
        (row,) = push["data"]
        assert push["action"] == "update"
        assert (row["prevSeqId"], row["checksum"]) == (last, 0)
        last = row["seqId"]
        apply(sides, row)
        assert ordered(sides) == truth.book_at(symbol, last).top()


async def test_a_subscription_begins_with_the_book_that_the_updates_follow() -> None:
    symbols = ("BTC-USDT", "ETH-USDT")
    async with open_okx("spot", rate=0, symbols=symbols) as sim, connect_okx(sim) as client:
        await sim.step(170, orders=5)  # changes that are published and changes that are not
        await sim.step(10, orders=3)
        await client.ask("subscribe", *(arg(f"books:{symbol}") for symbol in symbols), id_="b1")
        await sim.subscribed(*(f"books:{symbol}" for symbol in symbols))
        for _ in range(6):
            await sim.step(100, orders=4)
        messages = await client.read_all()
        assert [m.get("event", m.get("action")) for m in messages[:4]] == [
            "subscribe",
            "snapshot",
        ] * 2
        assert messages[0]["id"] == "b1"
        assert messages[0]["arg"] == {"channel": "books", "instId": "BTC-USDT"}
        for symbol in symbols:
            pushes = [m for m in messages if "data" in m and m["arg"]["instId"] == symbol]
            assert len(pushes) > 4
            assert_true(sim.truth, symbol, pushes)


async def test_a_still_book_repeats_its_number_with_nothing_in_it() -> None:
    async with (
        open_okx("derivatives", rate=0, heartbeat_seconds=1) as sim,
        connect_okx(sim, channels=[BOOKS]) as client,
    ):
        await sim.step(100, orders=1)
        for _ in range(25):
            await sim.step(100)
        await sim.step(100, orders=1)
        pushes = await client.read_pushes()
        rows = [push["data"][0] for push in pushes]
        assert [bool(row["bids"] or row["asks"]) for row in rows] == [
            True,
            True,
            False,
            False,
            True,
        ]
        assert all(row["prevSeqId"] == row["seqId"] for row in rows[2:4])
        assert_true(sim.truth, SWAP, pushes)
        assert list(sim.truth.updates(SWAP)) == [rows[1]["seqId"], rows[4]["seqId"]]


async def test_after_maintenance_ids_go_on_from_smaller_ones() -> None:
    async with (
        open_okx("derivatives", rate=0) as sim,
        connect_okx(sim, channels=[BOOKS]) as client,
    ):
        await sim.step(100, orders=2)
        assert await sim.inject(ResetSequence()) == 1
        for _ in range(2):
            await sim.step(100, orders=2)
        pushes = await client.read_pushes()
        before, after, later = (push["data"][0]["seqId"] for push in pushes[1:])
        assert after < before
        assert after < later
        assert_true(sim.truth, SWAP, pushes)
        places = [sim.truth.position(SWAP, seq_id) for seq_id in (before, after, later)]
        assert 0 < places[0] < places[1] < places[2]


async def test_the_snapshot_can_be_missing_and_rest_gives_the_book_instead() -> None:
    async with (
        open_okx("spot", rate=0, start_ms=1_800_000_000_000) as sim,
        connect_okx(sim) as client,
        httpx.AsyncClient(base_url=sim.rest_url) as rest,
    ):
        await client.read_all()
        await sim.inject(MissingSnapshot())
        await client.ask("subscribe", arg("books:BTC-USDT"), arg("books:ETH-USDT"))
        await sim.subscribed("books:BTC-USDT")
        await sim.step(50, orders=3)
        answer = (await rest.get("/api/v5/market/books?instId=BTC-USDT&sz=400")).json()
        await sim.step(100, orders=3)
        pushes = await client.read_pushes()
        whole = [push["arg"]["instId"] for push in pushes if push["action"] == "snapshot"]
        assert whole == ["ETH-USDT"]
        (book,) = answer["data"]
        sides = start(book)
        updates = [push["data"][0] for push in pushes if push["arg"]["instId"] == "BTC-USDT"]
        assert updates[0]["prevSeqId"] <= book["seqId"] < updates[0]["seqId"]
        for row in updates:
            apply(sides, row)
        assert ordered(sides) == sim.truth.book_at("BTC-USDT", updates[-1]["seqId"]).top()


async def test_frame_faults_befall_the_snapshot_too() -> None:
    async with open_okx("spot", rate=0) as sim, connect_okx(sim) as client:
        await client.read_all()
        await sim.inject(LoseFrames(1, "books"))
        await client.ask("subscribe", arg("books:BTC-USDT"), arg("books:ETH-USDT"))
        pushes = await client.read_pushes()
        assert [push["arg"]["instId"] for push in pushes] == ["ETH-USDT"]
        assert sim.counts["frames_lost"] == 1


async def test_a_lost_update_breaks_the_chain_and_subscribing_again_mends_it() -> None:
    async with (
        open_okx("derivatives", rate=0) as sim,
        connect_okx(sim, channels=[BOOKS]) as client,
    ):
        await sim.step(100, orders=2)
        await sim.inject(LoseFrames(1, "books"))
        for _ in range(2):
            await sim.step(100, orders=2)
        rows = [push["data"][0] for push in await client.read_pushes()]
        assert [b["prevSeqId"] == a["seqId"] for a, b in pairwise(rows)] == [True, False]
        assert rows[1]["seqId"] in sim.truth.updates(SWAP)
        await client.ask("unsubscribe", arg(BOOKS))
        await client.ask("subscribe", arg(BOOKS))
        await client.read_all()
        await client.ask("unsubscribe", arg(BOOKS))
        await client.ask("subscribe", arg(BOOKS))
        events = [m.get("event", m.get("action")) for m in await client.read_all()]
        assert events == ["unsubscribe", "subscribe", "snapshot"]
        await sim.step(100, orders=2)
        (push,) = await client.read_pushes()
        assert push["data"][0]["prevSeqId"] == rows[-1]["seqId"]
