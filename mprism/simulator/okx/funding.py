"""The channel `funding-rate` of one perpetual contract.

The rate is an estimate for the settlement at `fundingTime` and changes every few seconds.
Of the settlement after that the exchange tells the time, and a rate for inverse contracts
alone.
"""

from collections.abc import Iterable
from functools import partial
from random import Random
from typing import Any

from mprism.simulator.okx.catalog import Listing
from mprism.simulator.okx.figures import figure, scaled
from mprism.simulator.okx.push import push
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

HOUR_MS = 3_600_000
CHANGE_US = (2_000_000, 6_000_000)  # between two pushes
HIGHEST = 375 * 10**11  # in units of 1e-16


class FundingRate:
    """One contract's rate. Settled every 8 hours, or every 4 where it is an X-Perp."""

    def __init__(self, listing: Listing, random: Random, start_us: int) -> None:
        self.stream = f"funding-rate:{listing.inst_id}"
        self.tape = ValueTape("funding_rate", listing.inst_id)
        self.values = (self.tape,)
        self.openings = {self.stream: self._latest}
        self.hours = 4 if listing.rule == "xperp" else 8
        self.row: dict[str, Any] = {}
        self._listing = listing
        self._random = random
        self._rate = random.randrange(-HIGHEST // 10, HIGHEST // 4)
        self._settled = self._rate
        self._funding_ms = 0
        self._renew(start_us)

    def due(self, now_us: int) -> Iterable[Publication]:
        """A push when the rate has changed, in time order."""
        if now_us >= self._due_us:
            self._renew(now_us)
            yield from self._latest()

    def _renew(self, now_us: int) -> None:
        self._due_us = now_us + self._random.randrange(*CHANGE_US)
        now_ms, interval_ms = now_us // 1_000, self.hours * HOUR_MS
        funding_ms = now_ms - now_ms % interval_ms + interval_ms
        if funding_ms != self._funding_ms:
            self._funding_ms, self._settled = funding_ms, self._rate
        change = self._random.randrange(-(10**11), 10**11)
        self._rate = max(-HIGHEST, min(HIGHEST, self._rate + change))
        rate = figure(scaled(self._rate, 16))
        inverse = self._listing.contract_type == "inverse"
        estimate = figure(scaled(self._rate // 2, 16)) if inverse else None
        self.row = self._row(rate, estimate, now_ms)
        self.tape.append(
            now_ms,
            {
                "current_funding_rate": rate,
                "estimated_funding_rate": estimate,
                "funding_time": funding_ms - interval_ms,
                "next_funding_time": funding_ms,
                "funding_interval_hours": self.hours,
                "mark_price": None,
                "index_price": None,
            },
        )

    def _row(self, rate: str, estimate: str | None, now_ms: int) -> dict[str, Any]:
        return {
            "formulaType": "noRate",
            "fundingRate": rate,
            "fundingTime": str(self._funding_ms),
            "impactValue": "",
            "instId": self._listing.inst_id,
            "instType": self._listing.inst_type,
            "interestRate": "",
            "maxFundingRate": "0.00375",
            "method": "current_period",
            "minFundingRate": "-0.00375",
            "nextFundingRate": estimate or "",
            "nextFundingTime": str(self._funding_ms + self.hours * HOUR_MS),
            "premium": figure(scaled(self._rate * 2 // 3, 16)),
            "settFundingRate": figure(scaled(self._settled, 16)),
            "settState": "settled",
            "ts": str(now_ms),
        }

    def _latest(self) -> Iterable[Publication]:
        encode = partial(_encode, self.stream, self.row)
        yield Publication(self.stream, encode, [(self.tape, len(self.tape) - 1)])


def _encode(stream: str, row: dict[str, Any], _: int) -> bytes:
    return push(stream, [row])
