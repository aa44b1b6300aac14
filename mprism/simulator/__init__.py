"""Exchanges that speak the real protocols on loopback, with faults and a truth to compare with.

Everything is driven by a seeded market model, so that a run can be repeated. Imports nothing
else of mprism.
"""

from mprism.simulator.binance import BinanceSimulator, Market, open_binance
from mprism.simulator.deribit import DeribitSimulator, deribit_faults, open_deribit
from mprism.simulator.faults import Fault, standard_faults
from mprism.simulator.okx import OkxSimulator, okx_faults, open_okx
from mprism.simulator.rules import Rules
from mprism.simulator.simulator import AnySimulator
from mprism.simulator.tape import Outcome, TradeRecord
from mprism.simulator.truth import Truth
from mprism.simulator.values import ValueRecord, ValueTape

__all__ = [
    "AnySimulator",
    "BinanceSimulator",
    "DeribitSimulator",
    "Fault",
    "Market",
    "OkxSimulator",
    "Outcome",
    "Rules",
    "TradeRecord",
    "Truth",
    "ValueRecord",
    "ValueTape",
    "deribit_faults",
    "okx_faults",
    "open_binance",
    "open_deribit",
    "open_okx",
    "standard_faults",
]
