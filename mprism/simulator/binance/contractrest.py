"""REST endpoints of USD-M about its contracts: what they cost and what they answer.

Statistics and `fundingInfo` cost no weight, but are counted in pools of their own.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mprism.simulator.binance import valuepayloads
from mprism.simulator.binance.catalog import FUNDING_HOURS
from mprism.simulator.binance.contract import Contract
from mprism.simulator.binance.limits import Pool
from mprism.simulator.binance.query import BadRequestError, Query
from mprism.simulator.binance.statistics import RATIO_KINDS

STATISTICS = "/futures/data/"
OPEN_INTEREST_HISTORY = "openInterestHist"


class Cost(NamedTuple):
    """The weight of a request, and the pool in which it is counted beside."""

    weight: int
    pool: Pool | None = None


class ContractRest:
    """Answers about `contracts`, by symbol."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._contracts = contracts

    def cost(self, endpoint: str, query: Query) -> Cost:
        """What a request costs, also one that is refused as a bad one."""
        if endpoint.startswith(STATISTICS):
            return Cost(0, "statistics")
        if endpoint == "fundingInfo":
            return Cost(0, "funding")
        return Cost(10 if endpoint == "premiumIndex" and query.symbol_is_missing else 1)

    def answer(self, endpoint: str, query: Query, now_ms: int) -> object:
        """What is to be encoded; None if there is no such endpoint. Raises BadRequestError."""
        match endpoint:
            case "openInterest":
                return self._contract(query.listed_symbol()).open_interest()
            case "premiumIndex":
                return self._premium_index(query)
            case "fundingInfo":
                return valuepayloads.funding_info(FUNDING_HOURS.items())
        if endpoint.startswith(STATISTICS):
            return self._statistics(endpoint.removeprefix(STATISTICS), query, now_ms)
        return None

    def _contract(self, symbol: str) -> Contract:
        if symbol not in self._contracts:
            raise BadRequestError(
                -4108,
                "Symbol is on delivering or delivered or settling or closed or pre-trading.",
            )
        return self._contracts[symbol]

    def _premium_index(self, query: Query) -> object:
        if not query.symbol_is_missing:
            contract = self._contract(query.listed_symbol())
            return valuepayloads.premium_index(contract.instrument, contract.mark)
        contracts = self._contracts.values()
        return [valuepayloads.premium_index(each.instrument, each.mark) for each in contracts]

    def _statistics(self, kind: str, query: Query, now_ms: int) -> object:
        if kind not in (*RATIO_KINDS, OPEN_INTEREST_HISTORY):
            return None
        contract = self._contracts.get(query.listed_symbol())
        span = query.span(now_ms)
        if contract is None:
            return []
        if kind == OPEN_INTEREST_HISTORY:
            return contract.open_interest_history(span, now_ms)
        return contract.ratios(kind, span, now_ms)
