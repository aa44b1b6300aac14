"""Which connections a configuration needs, and what Binance's markets can do."""

import re

import pytest

from mprism.feeds.binance.market import SPOT, USDM
from mprism.feeds.binance.venue import BINANCE_DERIVATIVES, BINANCE_SPOT, BinanceVenue
from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Continuity, Request
from mprism.feeds.registry import VENUES
from mprism.feeds.venue import ConnectionPlan
from mprism.feeds.weight import Limit
from mprism.settings import ExchangeSettings, OrderBookSettings
from mprism.state import StreamState
from tests.unit.binance_payloads import (
    BTC_SPOT,
    BTC_USDM,
    ETH_SPOT,
    ETH_USDM,
    RECV_NS,
    acknowledgement,
    aggregate,
    depth,
    told,
    trade,
    wrapped,
)

VENUE = pytest.mark.parametrize("venue", [BINANCE_SPOT, BINANCE_DERIVATIVES])


def connections(
    venue: BinanceVenue, settings: ExchangeSettings, instruments: list[Instrument]
) -> list[ConnectionPlan]:
    listed = {instrument.instrument_id: instrument for instrument in instruments}
    return venue.plan(settings, instruments, listed).connections


def many(count: int) -> list[Instrument]:
    return [Instrument("binance_spot", "spot", f"A{n}-B", f"A{n}B") for n in range(count)]


def test_spot_takes_everything_on_one_connection() -> None:
    (plan,) = connections(BINANCE_SPOT, ExchangeSettings(), [BTC_SPOT, ETH_SPOT])
    assert plan.name == "binance_spot/stream-1"
    assert plan.exchange == "binance_spot"
    assert plan.url == "wss://stream.binance.com:9443/stream"
    assert plan.symbols == ("BTC-USDT", "ETH-USDT")
    assert plan.streams == (
        "btcusdt@depth@100ms",
        "btcusdt@trade",
        "ethusdt@depth@100ms",
        "ethusdt@trade",
    )
    assert plan.inbound_per_second == 3.0


def test_usdm_takes_books_and_trades_on_the_routes_that_deliver_them() -> None:
    books, trades = connections(BINANCE_DERIVATIVES, ExchangeSettings(), [BTC_USDM, ETH_USDM])
    assert (books.name, books.url) == (
        "binance_derivatives/public-1",
        "wss://fstream.binance.com/public/stream",
    )
    assert books.streams == ("btcusdt@depth@100ms", "ethusdt@depth@100ms")
    assert (trades.name, trades.url) == (
        "binance_derivatives/market-1",
        "wss://fstream.binance.com/market/stream",
    )
    assert trades.streams == ("btcusdt@aggTrade", "ethusdt@aggTrade")
    assert trades.symbols == ("BTC-USDT", "ETH-USDT")


@pytest.mark.parametrize(
    ("data_types", "streams"),
    [
        (("trade",), [("btcusdt@aggTrade",)]),
        (("orderbook",), [("btcusdt@depth@100ms",)]),
        (("trade", "trade"), [("btcusdt@aggTrade",)]),
    ],
)
def test_only_what_is_configured_is_planned(
    data_types: tuple[str, ...], streams: list[tuple[str, ...]]
) -> None:
    settings = ExchangeSettings(data_types=data_types)  # type: ignore[arg-type]
    plans = connections(BINANCE_DERIVATIVES, settings, [BTC_USDM])
    assert [plan.streams for plan in plans] == streams


def test_nothing_to_collect_needs_no_connection() -> None:
    assert connections(BINANCE_SPOT, ExchangeSettings(), []) == []


def test_many_streams_are_shared_out_over_connections() -> None:
    plans = connections(BINANCE_SPOT, ExchangeSettings(streams_per_connection=7), many(10))
    assert [len(plan.streams) for plan in plans] == [7, 7, 6]
    assert [plan.name for plan in plans] == [f"binance_spot/stream-{n}" for n in (1, 2, 3)]
    planned = [stream for plan in plans for stream in plan.streams]
    assert len(set(planned)) == 20
    # A symbol's book and trades may lie on two connections.
    assert plans[0].symbols == ("A0-B", "A1-B", "A2-B", "A3-B")
    assert plans[1].symbols == ("A3-B", "A4-B", "A5-B", "A6-B")


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9001", "ws://127.0.0.1:9001/"])
def test_endpoints_are_configuration(url: str) -> None:
    settings = ExchangeSettings(websocket_url=url, rest_url="http://127.0.0.1:9002")
    urls = [plan.url for plan in connections(BINANCE_DERIVATIVES, settings, [BTC_USDM])]
    assert urls == ["ws://127.0.0.1:9001/public/stream", "ws://127.0.0.1:9001/market/stream"]
    assert BINANCE_DERIVATIVES.rest_url(settings) == "http://127.0.0.1:9002"


def test_endpoints_are_the_exchanges_own_by_default() -> None:
    assert BINANCE_SPOT.rest_url(ExchangeSettings()) == "https://api.binance.com"
    assert BINANCE_DERIVATIVES.rest_url(ExchangeSettings()) == "https://fapi.binance.com"


def test_the_venues_are_registered_by_their_names() -> None:
    assert VENUES["binance_spot"] is BINANCE_SPOT
    assert VENUES["binance_derivatives"] is BINANCE_DERIVATIVES
    assert [BINANCE_SPOT.name, BINANCE_DERIVATIVES.name] == ["binance_spot", "binance_derivatives"]
    settings = ExchangeSettings()
    assert BINANCE_SPOT.instrument_requests(settings) == (
        Request("/api/v3/exchangeInfo", weight=20),
    )
    assert BINANCE_DERIVATIVES.instrument_requests(settings) == (Request("/fapi/v1/exchangeInfo"),)
    assert BINANCE_SPOT.limits == {"weight": Limit(6_000, 60.0)}
    assert BINANCE_DERIVATIVES.limits == {
        "weight": Limit(2_400, 60.0),
        "statistics": Limit(1_000, 300.0),
        "funding": Limit(500, 300.0),
    }


@VENUE
def test_the_instrument_list_is_that_of_the_market(venue: BinanceVenue) -> None:
    body = b'{"symbols":[{"symbol":"AB","status":"TRADING","baseAsset":"A","quoteAsset":"B"}]}'
    (instrument,) = venue.parse_instruments([body]).instruments.values()
    assert instrument.exchange == venue.name


def test_a_plan_makes_protocols_that_share_what_outlives_them() -> None:
    (plan,) = connections(BINANCE_SPOT, ExchangeSettings(data_types=("trade",)), [BTC_SPOT])
    continuity, states = Continuity(), dict[str, StreamState]()
    first, second = (plan.make_protocol(continuity, states) for _ in range(2))
    assert first is not second
    frame = wrapped("btcusdt@trade", trade(5))
    assert told(first.receive(frame, RECV_NS)) == ["trade 5"]
    assert told(second.receive(frame, RECV_NS)) == []
    assert continuity.duplicates == 1
    assert list(states) == ["btcusdt@trade"]
    assert told(second.open()) == ["send"]
    list(second.receive(acknowledgement(), RECV_NS))
    assert states["btcusdt@trade"].acknowledged


@pytest.mark.parametrize(
    ("venue", "depth_wanted", "levels", "problem"),
    [
        (BINANCE_SPOT, 400, 1_000, None),
        (BINANCE_SPOT, 1_000, 1_000, None),
        (BINANCE_SPOT, 5_000, 5_000, None),
        (BINANCE_SPOT, 1_001, 1_000, "1001 levels cannot be kept with snapshots of 1000"),
        (BINANCE_DERIVATIVES, 1_000, 5_000, None),
        (BINANCE_DERIVATIVES, 90, 60, None),  # 100 is the next that REST takes
        (BINANCE_DERIVATIVES, 101, 60, "101 levels cannot be kept with snapshots of 100"),
        (BINANCE_DERIVATIVES, 1_001, 5_000, "1001 levels cannot be kept with snapshots of 1000"),
    ],
)
def test_a_depth_must_be_one_that_snapshots_reach(
    venue: BinanceVenue, depth_wanted: int, levels: int, problem: str | None
) -> None:
    settings = ExchangeSettings(orderbook=OrderBookSettings(depth=depth_wanted, rest_levels=levels))
    found = venue.check(settings)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        assert re.match(rf"orderbook\.depth: {problem}; allowed: ", found)


@pytest.mark.parametrize(
    ("levels", "spot", "usdm"),
    [
        (5, (5, 5), (5, 2)),
        (6, (6, 5), (10, 2)),
        (50, (50, 5), (50, 2)),
        (51, (51, 5), (100, 5)),
        (100, (100, 5), (100, 5)),
        (101, (101, 25), (500, 10)),
        (500, (500, 25), (500, 10)),
        (501, (501, 50), (1_000, 20)),
        (1_000, (1_000, 50), (1_000, 20)),
        (1_001, (1_001, 250), (1_000, 20)),
        (5_000, (5_000, 250), (1_000, 20)),
    ],
)
def test_limits_and_weights_of_snapshots(
    levels: int, spot: tuple[int, int], usdm: tuple[int, int]
) -> None:
    for market, expected in ((SPOT, spot), (USDM, usdm)):
        limit = market.depth_limit(levels)
        assert (limit, market.depth_weight(limit)) == expected


def test_a_recorded_connection_has_the_streams_that_are_collected() -> None:
    streams = [
        "btcusdt@depth@100ms",
        "btcusdt@aggTrade",
        "btcusdt@bookTicker",
        "btcusdt@kline_1m",
        "dogeusdt@trade",
        "btcusdt",
        "ethusdt@depth",
    ]
    instruments = {each.instrument_id: each for each in (BTC_SPOT, ETH_SPOT)}
    protocol = BINANCE_SPOT.recorded(streams, instruments, ExchangeSettings(), Continuity())
    for stream in streams:
        symbol = stream.partition("@")[0].upper()
        frame = wrapped(stream, depth(1, 2, s=symbol))
        expected = "fetch 0" if "@depth" in stream else "not subscribed"
        if stream == "btcusdt@aggTrade":
            expected = "malformed event"  # a depth update on it
        assert told(protocol.receive(frame, RECV_NS)) == [expected]


@pytest.mark.parametrize(
    ("venue", "instrument", "taken"),
    [(BINANCE_SPOT, BTC_SPOT, "trade"), (BINANCE_DERIVATIVES, BTC_USDM, "aggTrade")],
)
def test_of_two_recorded_streams_that_tell_the_same_one_is_taken(
    venue: BinanceVenue, instrument: Instrument, taken: str
) -> None:
    streams = [f"btcusdt@{kind}" for kind in ("trade", "aggTrade", "depth", "depth@100ms")]
    instruments = {instrument.instrument_id: instrument}
    protocol = venue.recorded(streams, instruments, ExchangeSettings(), Continuity())
    frames = {
        "trade": trade(5),
        "aggTrade": aggregate(9),
        "depth": depth(1, 2),
        "depth@100ms": depth(1, 2),
    }
    happened = {
        kind: told(protocol.receive(wrapped(f"btcusdt@{kind}", data), RECV_NS))
        for kind, data in frames.items()
    }
    ids = {"trade": "trade 5", "aggTrade": "trade 9"}
    rejected = ["not subscribed"]
    assert happened == {
        **{kind: [text] if kind == taken else rejected for kind, text in ids.items()},
        "depth": rejected,
        "depth@100ms": ["fetch 0"],
    }
