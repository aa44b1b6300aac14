"""The configuration as frozen structs: what can be set, its default and its bounds.

`mprism.configuration` reads it from files and environment; everything else only sees these
structs. Durations are in seconds and say so in their names, sizes are in bytes or count
what their name says.
"""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1)]
DataType = Literal[
    "orderbook",
    "trade",
    "funding_rate",
    "open_interest",
    "liquidation",
    "lsr_top_position",
    "lsr_all_account",
    "volatility_index",
]
ExchangeName = Literal[
    "binance_spot", "binance_derivatives", "okx_spot", "okx_derivatives", "deribit_derivatives"
]
RatioPeriod = Literal["5m", "15m", "30m", "1h", "2h", "4h"]


class _Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown keys are an error: a misspelt setting must not be a silent default."""


class SystemSettings(_Settings, frozen=True):
    """The process as a whole."""

    stop_timeout_seconds: Seconds = 20.0  # from the signal to the end, whatever hangs
    # Lists of events between the feeds and the publisher. Under pressure a list grows to 1,000
    # frames, so that 16 of them are some 30 MB.
    channel_size: Count = 16


class StreamSettings(_Settings, frozen=True):
    """The JetStream stream that everything is stored in."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, - and _")
    ] = "MARKET_DATA"
    max_messages: Annotated[int, Meta(ge=-1)] = -1  # -1: no limit
    max_bytes: Annotated[int, Meta(ge=-1)] = -1
    # 0: for ever. A hundred years are the most that the broker's nanoseconds hold with ease.
    max_age_seconds: Annotated[float, Meta(ge=0, le=3_153_600_000)] = 172_800.0
    duplicate_window_seconds: Seconds = 120.0


class NatsSettings(_Settings, frozen=True):
    """The broker and how messages are sent to it.

    A null `url` means an embedded server whose data lies in `data_folder`.
    """

    # One address, or several separated by commas.
    url: (
        Annotated[
            str,
            Meta(
                pattern=r"^(nats|tls)://[^\s,]+(,(nats|tls)://[^\s,]+)*$",
                description="nats:// or tls:// addresses, separated by commas",
            ),
        ]
        | None
    ) = None
    data_folder: str = "data/nats"
    stream: StreamSettings = StreamSettings()
    gather_seconds: Annotated[float, Meta(ge=0, le=1)] = 0.005
    burst_messages: Annotated[int, Meta(ge=1, le=2_000)] = 200
    bursts_in_flight: Annotated[int, Meta(ge=1, le=64)] = 16
    ack_timeout_seconds: Seconds = 5.0
    connect_timeout_seconds: Seconds = 5.0
    backlog_bytes: Annotated[int, Meta(ge=1_048_576)] = 64 * 1024 * 1024


class HttpSettings(_Settings, frozen=True):
    """Health, status and metrics."""

    host: str = "127.0.0.1"
    port: Port = 8086  # 0: any free one
    metrics_port: Port = 9093
    grace_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 10.0  # a shorter fault does not flap
    start_grace_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    silent_after_seconds: Seconds = 60.0  # a subscribed stream without data shows after this


class LoggingSettings(_Settings, frozen=True):
    """Log lines on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["console", "json"] = "console"


class BackoffSettings(_Settings, frozen=True):
    """Waiting between attempts: full jitter below a bound that doubles up to a cap."""

    first_seconds: Seconds = 0.5
    cap_seconds: Seconds = 30.0
    refused_seconds: Seconds = 300.0  # after the exchange refused us


class OrderBookSettings(_Settings, frozen=True):
    """What is published of a book."""

    mode: Literal["updates", "snapshots"] = "updates"
    depth: Annotated[int, Meta(ge=1, le=5_000)] = 400  # levels a side of a snapshot
    snapshot_interval_seconds: Annotated[float, Meta(ge=0.1, le=3_600)] = 1.0
    rest_levels: Annotated[int, Meta(ge=5, le=5_000)] = 1_000  # asked for to start a book


class PollingSettings(_Settings, frozen=True):
    """What is asked for by REST, and how often. Periods begin with the exchange's clock."""

    open_interest_seconds: Seconds = 60.0
    ratio_seconds: Seconds = 60.0
    ratio_period: RatioPeriod = "5m"  # the length that one long/short ratio is for
    liquidation_seconds: Seconds = 20.0  # Deribit flags some liquidations in REST answers only
    funding_info_seconds: Seconds = 3_600.0  # Binance tells funding intervals apart


class ExchangeSettings(_Settings, frozen=True):
    """One exchange. Null endpoints are the exchange's own; any ws(s):// and http(s):// will do.

    What an exchange has and what it collects by default is in `OFFERED` and `DEFAULTS`.
    """

    symbols: Annotated[tuple[str, ...], Meta(min_length=1)] = ("BTC-USDT", "ETH-USDT")
    data_types: Annotated[tuple[DataType, ...], Meta(min_length=1)] = ("orderbook", "trade")
    trades: Literal["all", "aggregated"] = "all"  # OKX: every fill, or one a taker order
    liquidations: Literal["symbols", "all"] = "symbols"  # of these symbols, or of the market
    volatility_indexes: Annotated[tuple[str, ...], Meta(min_length=1)] = ("BTC", "ETH")
    # A funding rate that stays the same is published again after this.
    funding_repeat_seconds: Seconds = 60.0
    websocket_url: (
        Annotated[str, Meta(pattern=r"^wss?://[^\s]+$", description="a ws:// or wss:// address")]
        | None
    ) = None
    rest_url: (
        Annotated[
            str, Meta(pattern=r"^https?://[^\s]+$", description="an http:// or https:// address")
        ]
        | None
    ) = None
    orderbook: OrderBookSettings = OrderBookSettings()
    polling: PollingSettings = PollingSettings()
    backoff: BackoffSettings = BackoffSettings()
    open_timeout_seconds: Seconds = 10.0
    # No data at all on a connection: replace it. Longer where all its streams push rarely.
    idle_timeout_seconds: Seconds = 60.0
    acknowledge_timeout_seconds: Seconds = 10.0
    max_frame_bytes: Annotated[int, Meta(ge=65_536)] = 16 * 1024 * 1024
    streams_per_connection: Annotated[int, Meta(ge=1, le=1_024)] = 200
    rest_timeout_seconds: Seconds = 10.0
    rest_weight_share: Annotated[float, Meta(gt=0, le=1)] = 0.5  # of the exchange's limits
    # Of that share: kept from the polls, so that a book never waits for them.
    rest_snapshot_reserve: Annotated[float, Meta(ge=0, lt=1)] = 0.4


OFFERED: dict[ExchangeName, tuple[DataType, ...]] = {
    "binance_spot": ("orderbook", "trade"),
    "binance_derivatives": (
        "orderbook",
        "trade",
        "funding_rate",
        "open_interest",
        "liquidation",
        "lsr_top_position",
        "lsr_all_account",
    ),
    "okx_spot": ("orderbook", "trade"),
    "okx_derivatives": (
        "orderbook",
        "trade",
        "funding_rate",
        "open_interest",
        "liquidation",
        "lsr_top_position",
        "lsr_all_account",
    ),
    "deribit_derivatives": (
        "orderbook",
        "trade",
        "funding_rate",
        "open_interest",
        "liquidation",
        "volatility_index",
    ),
}
"""The data types that each exchange has."""

CHOICES: dict[str, tuple[ExchangeName, ...]] = {
    "trades": ("okx_spot", "okx_derivatives"),
    "liquidations": ("binance_derivatives", "okx_derivatives"),
    "volatility_indexes": ("deribit_derivatives",),
}
"""The exchanges that know a setting, where not all do."""

_SYMBOLS: dict[ExchangeName, tuple[str, ...]] = {
    "deribit_derivatives": ("BTC-USD", "ETH-USD", "BTC-USDC"),
}

DEFAULTS: dict[ExchangeName, ExchangeSettings] = {
    name: ExchangeSettings(
        symbols=_SYMBOLS.get(name, ("BTC-USDT", "ETH-USDT")), data_types=OFFERED[name]
    )
    for name in get_args(ExchangeName)
}
"""What each exchange is collected with where nothing is configured: all that it has."""


class Settings(_Settings, frozen=True):
    """All of it."""

    system: SystemSettings = SystemSettings()
    nats: NatsSettings = NatsSettings()
    http: HttpSettings = HttpSettings()
    logging: LoggingSettings = LoggingSettings()
    exchanges: dict[ExchangeName, ExchangeSettings] = field(default_factory=lambda: dict(DEFAULTS))
