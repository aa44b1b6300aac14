"""Every exchange that can be collected, by its name in the contract."""

from mprism.feeds.binance.venue import BINANCE_DERIVATIVES, BINANCE_SPOT
from mprism.feeds.deribit.venue import DERIBIT
from mprism.feeds.okx.venue import OKX_DERIVATIVES, OKX_SPOT
from mprism.feeds.venue import Venue
from mprism.settings import ExchangeName

VENUES: dict[ExchangeName, Venue] = {
    "binance_spot": BINANCE_SPOT,
    "binance_derivatives": BINANCE_DERIVATIVES,
    "okx_spot": OKX_SPOT,
    "okx_derivatives": OKX_DERIVATIVES,
    "deribit_derivatives": DERIBIT,
}
