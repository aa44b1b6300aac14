"""The channel `liquidation-orders` of one instrument type.

A push carries several liquidations of several instruments, not in the order of their times.
A subscription begins with some that are past already. There are no ids; no two liquidations
of an instrument have the same time here, so that each can be told from the others.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.catalog import InstType, Listing
from mprism.simulator.okx.figures import figure
from mprism.simulator.okx.push import push
from mprism.simulator.okx.source import published_quantity
from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication, Record

GAP_US = (400_000, 1_800_000)  # between two pushes
REMEMBERED = 5  # liquidations at the beginning of a subscription
LATEST_MS = 1_500  # how late one is told at most

_Detail = dict[str, str]
_Past = tuple[str, _Detail, Record]


class Liquidations:
    """All liquidations of one type. `markets` are those of the type's instruments, by id."""

    def __init__(
        self,
        inst_type: InstType,
        listings: Sequence[Listing],
        markets: Mapping[str, SymbolMarket],
        random: Random,
        start_us: int,
    ) -> None:
        self.stream = f"liquidation-orders:{inst_type}"
        self.tapes = {i.inst_id: ValueTape("liquidation", i.inst_id) for i in listings}
        self.values = tuple(self.tapes.values())
        self.openings = {self.stream: self._replay}
        self._listings = {listing.inst_id: listing for listing in listings}
        self._markets = markets
        self._random = random
        self._times: dict[str, set[int]] = {inst_id: set() for inst_id in self.tapes}
        self._past: deque[_Past] = deque(maxlen=REMEMBERED)
        self._due_us = start_us + random.randrange(*GAP_US)
        self._happen(start_us, REMEMBERED)

    def due(self, now_us: int) -> Iterable[Publication]:
        """A push of one to four liquidations, about once a second."""
        if now_us >= self._due_us:
            self._due_us = now_us + self._random.randrange(*GAP_US)
            yield self._publication(self._happen(now_us, self._random.randrange(1, 5)))

    def _happen(self, now_us: int, count: int) -> list[_Past]:
        happened = [self._liquidate(now_us // 1_000) for _ in range(count)]
        self._past.extend(happened)
        return happened

    def _liquidate(self, now_ms: int) -> _Past:
        inst_id = self._random.choice(list(self._listings))
        listing, market = self._listings[inst_id], self._markets[inst_id]
        buys = self._random.random() < 0.5
        position = "short" if buys else "long"
        lots = 1 + int(self._random.expovariate(1.0) * market.instrument.lot)
        ticks = (market.book.asks.order[0] if buys else -market.book.bids.order[0]) + (
            self._random.randrange(1, 40) * (1 if buys else -1)
        )
        detail = {
            "bkLoss": "0",
            "bkPx": market.instrument.price.text(ticks),
            "ccy": "",
            "posSide": "net" if self._random.random() < 0.2 else position,
            "side": "buy" if buys else "sell",
            "sz": market.instrument.quantity.text(lots),
            "ts": str(self._time(inst_id, now_ms)),
        }
        fields = {"position_side": position, **_values(listing, detail)}
        tape = self.tapes[inst_id]
        return inst_id, detail, (tape, tape.append(int(detail["ts"]), fields))

    def _time(self, inst_id: str, now_ms: int) -> int:
        time_ms = now_ms - self._random.randrange(LATEST_MS)
        while time_ms in self._times[inst_id]:
            time_ms -= 1
        self._times[inst_id].add(time_ms)
        return time_ms

    def _publication(self, happened: Sequence[_Past]) -> Publication:
        records = [record for _, _, record in happened]
        return Publication(self.stream, partial(self._encode, happened), records)

    def _replay(self) -> Iterable[Publication]:
        past = tuple(self._past)
        # A reader may take them or leave them, because it cannot know if it had them.
        for _, _, (tape, index) in past:
            tape.note(index, Outcome.SENT)
        yield Publication(self.stream, partial(self._encode, past))

    def _encode(self, happened: Sequence[_Past], _: int) -> bytes:
        details: dict[str, list[_Detail]] = {}
        for inst_id, detail, _record in happened:
            details.setdefault(inst_id, []).append(detail)
        rows: list[dict[str, Any]] = [
            {
                "details": several,
                "instFamily": self._listings[inst_id].family,
                "instId": inst_id,
                "instType": self._listings[inst_id].inst_type,
                "uly": self._listings[inst_id].index,
            }
            for inst_id, several in details.items()
        ]
        return push(self.stream, rows)


def _values(listing: Listing, detail: _Detail) -> dict[str, str | None]:
    """What a published message says of a liquidation, but for the position's side."""
    contracts, price = Decimal(detail["sz"]), Decimal(detail["bkPx"])
    inverse = listing.contract_type == "inverse"
    worth = contracts * Decimal(listing.contract_value)
    return {
        "side": detail["side"],
        "price": detail["bkPx"],
        "average_price": None,
        "quantity": figure(published_quantity(listing, contracts)),
        "filled_quantity": None,
        "notional_value": figure(worth if inverse else worth * price),
    }
