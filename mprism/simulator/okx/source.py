"""What everything has in common that OKX tells beside trades and books."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from mprism.simulator.exchange import Source
from mprism.simulator.market import SymbolMarket
from mprism.simulator.okx.catalog import Listing
from mprism.simulator.okx.figures import scaled
from mprism.simulator.okx.session import Opening


class OkxSource(Source, Protocol):
    """A source and the streams that it publishes on, each with what it begins with."""

    @property
    def openings(self) -> Mapping[str, Opening]:
        """By the name of the stream."""


def middle(market: SymbolMarket) -> Decimal:
    """The price between the best bid and the best ask."""
    grid = market.instrument.price
    ticks = market.book.asks.order[0] - market.book.bids.order[0]
    return scaled(ticks * grid.step * 5, grid.digits + 1)


def coins(listing: Listing, contracts: Decimal, price: Decimal) -> Decimal:
    """So many contracts in the base currency: exact if they are linear."""
    worth = contracts * Decimal(listing.contract_value)
    return worth if listing.contract_type == "linear" else worth / price


def published_quantity(listing: Listing, contracts: Decimal) -> Decimal:
    """So many contracts in the unit of published quantities, exactly."""
    return contracts * Decimal(listing.quantity_factor)
