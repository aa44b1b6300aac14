"""Deribit, simulated: JSON-RPC over WebSocket and REST, its limits, faults, and the truth."""

from mprism.simulator.deribit.server import DeribitSimulator, open_deribit

__all__ = ["DeribitSimulator", "open_deribit"]
