"""The channel `open-interest` of one derivative: every three seconds, if it has changed.

The strings carry digits of noise from the exchange's floating point.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.catalog import Listing
from mprism.simulator.okx.figures import figure, scaled
from mprism.simulator.okx.push import push
from mprism.simulator.okx.source import coins, middle, published_quantity
from mprism.simulator.values import ValueTape
from mprism.simulator.wire import Publication

INTERVAL_US = 3_000_000
NOISE_DIGITS = 11
STILL_SHARE = 0.1  # of the intervals: nothing has changed


class OpenInterest:
    """One contract's open interest. `offset_us` shifts its intervals."""

    def __init__(
        self,
        listing: Listing,
        market: SymbolMarket,
        random: Random,
        *,
        start_us: int,
        offset_us: int,
    ) -> None:
        self.stream = f"open-interest:{listing.inst_id}"
        self.tape = ValueTape("open_interest", listing.inst_id)
        self.values = (self.tape,)
        self.openings = {self.stream: self._latest}
        self.row: dict[str, Any] = {}
        self._listing = listing
        self._market = market
        self._random = random
        self._offset_us = offset_us
        self._hundredths = random.randrange(10**6, 10**9)  # of contracts
        self._renew(start_us)

    def due(self, now_us: int) -> Iterable[Publication]:
        """A push at the end of an interval."""
        if (now_us - self._offset_us) % INTERVAL_US:
            return
        if self._random.random() >= STILL_SHARE:
            self._renew(now_us)
            yield from self._latest()

    def _renew(self, now_us: int) -> None:
        self._hundredths += self._random.randrange(-9_000, 9_001)
        noise = self._random.randrange(1_000)
        contracts = scaled(self._hundredths * 10 ** (NOISE_DIGITS - 2) + noise, NOISE_DIGITS)
        row = self._row(contracts, now_us // 1_000)
        self.row = row
        fields = {
            "open_interest": figure(published_quantity(self._listing, contracts)),
            "open_interest_contracts": row["oi"],
            "open_interest_usd": row["oiUsd"],
        }
        if self._listing.instrument.quote == "USD":
            fields["open_interest_value"] = row["oiUsd"]
        self.tape.append(now_us // 1_000, fields)

    def _row(self, contracts: Decimal, now_ms: int) -> dict[str, Any]:
        listing, price = self._listing, middle(self._market)
        worth = coins(listing, contracts, price)
        inverse = listing.contract_type == "inverse"
        dollars = contracts * Decimal(listing.contract_value) if inverse else worth * price
        return {
            "instId": listing.inst_id,
            "instType": listing.inst_type,
            "oi": figure(contracts),
            "oiCcy": figure(worth),
            "oiUsd": figure(dollars),
            "ts": str(now_ms),
        }

    def _latest(self) -> Iterable[Publication]:
        encode = partial(_encode, self.stream, self.row)
        yield Publication(self.stream, encode, [(self.tape, len(self.tape) - 1)])


def _encode(stream: str, row: dict[str, Any], _: int) -> bytes:
    return push(stream, [row])
