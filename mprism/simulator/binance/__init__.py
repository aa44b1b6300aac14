"""Binance spot and USD-M futures, simulated: streams, REST, limits, faults, and the truth."""

from mprism.simulator.binance.server import open_binance
from mprism.simulator.binance.simulator import BinanceSimulator
from mprism.simulator.binance.venue import Market

__all__ = ["BinanceSimulator", "Market", "open_binance"]
