"""The limits that a simulated exchange enforces. Durations are in seconds."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of one market; `dataclasses.replace` makes a stricter or a laxer one."""

    ping_interval: float
    pong_timeout: float
    inbound_per_second: int  # pings, pongs and requests of one connection
    weight_limit: int  # of REST requests, each window
    weight_window: float = 60.0
    statistics_limit: int = 1_000  # Binance: requests of /futures/data, each `pool_window`
    funding_limit: int = 500  # Binance: requests of fundingInfo, each `pool_window`
    pool_window: float = 300.0
    breaches_before_ban: int = 10  # requests sent in spite of a 429
    ban_seconds: int = 120
    max_streams: int = 1024
    max_age: float = 86_400.0  # of a connection
    connection_attempts: int = 300
    connection_window: float = 300.0
    max_connections: int = 10_000  # open at a time
    requests: int = 1_000_000  # of one connection, each window; where the exchange counts them
    request_window: float = 3_600.0
    idle_timeout: float = math.inf  # nothing received and nothing sent of any stream
    idle_code: int = 1000  # the close code after that
    time_scale: float = 1.0  # of the times that clients choose or the protocol fixes: heartbeats
    confirm_timeout: float = 5.0  # how long a fault waits for its ping to be answered
    max_unsent_bytes: int = 64 * 1024 * 1024  # a client that reads too slowly is cut off
