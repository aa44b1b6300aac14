"""mprism: public market data of several exchanges, normalised, into NATS JetStream."""

__version__ = "0.1.0"
