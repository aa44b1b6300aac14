"""OKX spot and derivatives, simulated: channels, REST, limits, faults, and the truth."""

from mprism.simulator.okx.catalog import Kind
from mprism.simulator.okx.server import OkxSimulator, okx_faults, open_okx

__all__ = ["Kind", "OkxSimulator", "okx_faults", "open_okx"]
