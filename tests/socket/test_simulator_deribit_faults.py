"""Every fault of the simulated Deribit does what it says, and the truth knows of it."""

from itertools import pairwise
from typing import Any

import httpx
import pytest
import trio

from mprism.simulator import Outcome
from mprism.simulator.deribit import deribit_faults, open_deribit
from mprism.simulator.faults import (
    MALFORMED_KINDS,
    Close,
    LoseFrames,
    MalformedKind,
    MalformFrames,
    MissingSnapshot,
    OmitChannels,
    RepeatFrames,
    Silence,
)
from tests.socket.deribit_client import connect_deribit, expected_seqs, is_whole

BTC = "BTC-PERPETUAL"
BOOK, TRADES = f"book.{BTC}.100ms", f"trades.{BTC}.100ms"


async def test_a_lost_change_breaks_the_chain_and_a_new_subscription_heals_it() -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        await client.subscribe(BOOK)
        await sim.step(orders=2)
        await sim.inject(LoseFrames(1, "book."))
        for _ in range(3):
            await sim.step(orders=2)
        book = await client.read(BOOK)
        chained = [b["prev_change_id"] == a["change_id"] for a, b in pairwise(book)]
        assert chained == [True, False, True]
        assert await client.subscribe(BOOK) == [BOOK]
        assert len(await client.read(BOOK)) == len(book)
        await client.call("public/unsubscribe", channels=[BOOK])
        client.notes.clear()
        await client.subscribe(BOOK)
        await sim.step(orders=2)
        again = await client.read(BOOK)
        assert [message["type"] for message in again] == ["snapshot", "change"]
        assert again[0]["change_id"] == book[-1]["change_id"]
        assert is_whole(sim, again)


async def test_the_opening_book_can_be_lost_repeated_and_left_out() -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        seen = []
        for fault in (LoseFrames(1, "book."), RepeatFrames(1, "book."), MissingSnapshot()):
            await sim.inject(fault)
            await client.subscribe(BOOK)
            await sim.step(orders=1)
            seen.append([message["type"] for message in await client.read(BOOK)])
            await client.call("public/unsubscribe_all")
            client.notes.clear()
        assert seen == [["change"], ["snapshot", "snapshot", "change"], ["change"]]


async def test_omitted_channels_are_not_served() -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        await client.call("public/test")
        await sim.inject(OmitChannels(1, "trades."))
        assert await client.subscribe(BOOK, TRADES) == [BOOK]
        await sim.step(orders=2)
        assert await client.read(TRADES) == []
        assert len(await client.read(BOOK)) == 2
        assert {r.outcome for r in sim.truth.trades(BTC)} == {Outcome.UNSUBSCRIBED}


USELESS_KINDS = [kind for kind in MALFORMED_KINDS if kind not in ("bad_utf8", "huge")]


@pytest.mark.parametrize("channel", [BOOK, TRADES])
@pytest.mark.parametrize("kind", USELESS_KINDS)
async def test_a_malformed_message_is_useless_and_the_next_is_good(
    kind: MalformedKind, channel: str
) -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        await client.subscribe(channel)
        await client.call("public/test")
        client.notes.clear()
        await sim.inject(MalformFrames(1, kind))
        await sim.step(orders=2)
        await sim.step(orders=2)
        await sim.stop_market()
        await client.call("public/test")
        broken, good = client.notes
        assert is_useless(broken, channel)
        assert not is_useless(good, channel)
        if channel == TRADES:
            assert [trade["trade_seq"] for trade in good["data"]] == expected_seqs(sim)
            assert next(sim.truth.trades(BTC)).outcome is Outcome.MALFORMED
        else:
            assert sim.truth.updates(BTC) == [good["data"]["change_id"]]


def is_useless(note: Any, channel: str) -> bool:
    """Whether a reader that checks what it needs can take nothing from this."""
    try:
        if note["channel"] != channel:
            return True
        if channel == TRADES:
            return any(not trade["amount"] >= 0 < trade["price"] for trade in note["data"])
        data = note["data"]
        levels = [*data["bids"], *data["asks"]]
        return any(not amount >= 0 < price for _, price, amount in levels)
    except (KeyError, TypeError, ValueError):
        return True


async def test_a_silence_and_an_end_withhold_what_happens_meanwhile() -> None:
    async with open_deribit(rate=0) as sim, connect_deribit(sim) as client:
        await client.subscribe(TRADES)
        await sim.inject(Silence(0.2))
        await sim.step(orders=2)
        assert await client.read(TRADES) == []
        await sim.step(orders=2)
        await sim.stop_market()
        read = [trade["trade_seq"] for array in await client.read(TRADES) for trade in array]
        assert read == expected_seqs(sim)
        assert sim.truth.outcomes()[Outcome.SILENCED] > 0
        assert await sim.inject(Close(1001)) == 1
        assert (await client.client.read_until_closed())[1] == 1001


async def test_the_standard_faults_happen() -> None:
    schedule = deribit_faults(3)
    async with (
        open_deribit(symbols=[BTC], rate=200, schedule=schedule) as sim,
        httpx.AsyncClient(base_url=sim.rest_url) as rest,
    ):
        happened = {f"fault_{type(fault).__name__}" for _, fault in schedule}
        with trio.move_on_after(20):
            while not happened <= sim.counts.keys():
                async with connect_deribit(sim) as client:
                    await client.send("public/subscribe", channels=[BOOK, TRADES])
                    await client.client.read_until_closed()
        assert happened <= sim.counts.keys()
        assert (await rest.get("/api/v2/public/get_time")).status_code in (200, 429, 503)
