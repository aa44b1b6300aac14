"""Deribit, simulated: JSON-RPC over WebSocket and REST, its limits, faults, and the truth."""

from mprism.simulator.deribit.server import DeribitSimulator, deribit_faults, open_deribit

__all__ = ["DeribitSimulator", "deribit_faults", "open_deribit"]
