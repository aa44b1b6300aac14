"""Binance spot and USD-M futures, simulated: streams, REST, limits, faults, and the truth."""

from mprism.simulator.binance.server import BinanceSimulator, open_binance
from mprism.simulator.binance.venue import Market

__all__ = ["BinanceSimulator", "Market", "open_binance"]
