"""The demonstration: simulated exchanges, a real nats-server, and the collector as it is.

At the end the stream is read back and compared, message by message, with what the exchanges
really sent.
"""

from mprism.demo.run import run_demo

__all__ = ["run_demo"]
