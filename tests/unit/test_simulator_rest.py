"""REST answers of the simulated markets: shapes, weights, limits, errors and faults."""

import msgspec
import pytest

from mprism.simulator.binance.venue import Market
from mprism.simulator.faults import Ban, ServerError, SlowAnswer, StaleSnapshot, Throttle
from mprism.simulator.http import Request
from tests.unit.simulator_api import LEVELS, START_MS, Api, error, weight

markets = pytest.mark.parametrize("market", ["spot", "usdm"])


@markets
def test_depth_is_the_true_book_at_its_id(market: Market) -> None:
    api = Api(market)
    for _ in range(3):
        api.advance(0.55)
        answer = api.json("depth?symbol=BTCUSDT&limit=1000")
        bids, asks = api.truth.book_at("BTCUSDT", answer["lastUpdateId"]).top(1_000)
        assert [tuple(level) for level in answer["bids"]] == bids
        assert [tuple(level) for level in answer["asks"]] == asks
        assert len(bids) == 1_000


def test_spot_depth_has_no_times_and_usdm_depth_has() -> None:
    assert Api("spot").json("depth?symbol=BTCUSDT").keys() == {"lastUpdateId", "bids", "asks"}
    answer = Api("usdm").json("depth?symbol=BTCUSDT")
    assert answer["E"] == START_MS
    assert answer["T"] < answer["E"]


def test_depth_may_be_ahead_of_what_the_streams_have_sent() -> None:
    api = Api("spot")
    list(api.market.advance(api.market.now_us + 1_050_000))
    event = [
        publication
        for publication in api.market.advance(api.market.now_us + 90_000)
        if publication.stream == "btcusdt@depth@100ms"
    ][-1]
    ahead = api.json("depth?symbol=BTCUSDT")["lastUpdateId"]
    assert ahead > msgspec.json.decode(event.payload(False, 1_000))["u"]


def test_spot_depth_limits() -> None:
    api = Api("spot")
    assert len(api.json("depth?symbol=BTCUSDT")["bids"]) == 100
    assert len(api.json("depth?symbol=BTCUSDT&limit=7")["asks"]) == 7
    assert len(api.json("depth?symbol=BTCUSDT&limit=9000")["asks"]) == LEVELS
    assert error(api.get("depth?symbol=BTCUSDT&limit=0")) == (400, -1130)


def test_usdm_depth_limits() -> None:
    api = Api("usdm")
    assert len(api.json("depth?symbol=BTCUSDT")["bids"]) == 500
    for limit in (5, 10, 20, 50, 100, 500, 1_000):
        assert len(api.json(f"depth?symbol=BTCUSDT&limit={limit}")["asks"]) == limit
    assert error(api.get("depth?symbol=BTCUSDT&limit=7")) == (400, -4021)


@pytest.mark.parametrize(
    ("market", "path", "cost"),
    [
        ("spot", "depth?symbol=BTCUSDT", 5),
        ("spot", "depth?symbol=BTCUSDT&limit=101", 25),
        ("spot", "depth?symbol=BTCUSDT&limit=1000", 50),
        ("spot", "depth?symbol=BTCUSDT&limit=5000", 250),
        ("spot", "exchangeInfo", 20),
        ("spot", "time", 1),
        ("usdm", "depth?symbol=BTCUSDT&limit=50", 2),
        ("usdm", "depth?symbol=BTCUSDT&limit=100", 5),
        ("usdm", "depth?symbol=BTCUSDT", 10),
        ("usdm", "depth?symbol=BTCUSDT&limit=1000", 20),
        ("usdm", "exchangeInfo", 1),
        ("usdm", "ping", 1),
        ("usdm", "depth?symbol=NOSUCH&limit=1000", 20),
    ],
)
def test_weights_are_added_up(market: Market, path: str, cost: int) -> None:
    api = Api(market)
    assert weight(api.get(path)) == cost
    assert weight(api.get(path)) == 2 * cost


@markets
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("depth", -1102),
        ("depth?symbol=", -1102),
        ("depth?symbol=btcusdt", -1100),
        ("depth?symbol=BTC-USDT", -1100),
        ("depth?symbol=BTCUSDT&limit=ten", -1100),
        ("depth?symbol=BTCUSDT&limit=", -1100),
        ("depth?symbol=BTCUSDT&limit=-5", -1100),
        ("depth?symbol=NOSUCH", -1121),
    ],
)
def test_bad_parameters(market: Market, path: str, code: int) -> None:
    assert error(Api(market).get(path)) == (400, code)


@markets
def test_unknown_paths_and_methods(market: Market) -> None:
    api = Api(market)
    assert error(api.get("nothing")) == (404, -5000)
    assert error(api.get("time", method="POST")) == (404, -5000)
    other = api.rest.respond(Request("GET", "/api/v1/depth?symbol=BTCUSDT", {}))
    assert other.status == 404


@markets
def test_a_listed_symbol_without_a_market_has_an_empty_book(market: Market) -> None:
    symbol = "LRCBTC" if market == "spot" else "NEWUSDT"
    answer = Api(market).json(f"depth?symbol={symbol}")
    assert (answer["lastUpdateId"], answer["bids"], answer["asks"]) == (-1, [], [])


def test_time_is_the_markets() -> None:
    api = Api("spot")
    api.advance(2)
    assert api.json("time") == {"serverTime": START_MS + 2_000}
    fine = api.get("time", x_mbx_time_unit="MICROSECOND")
    assert msgspec.json.decode(fine.body) == {"serverTime": (START_MS + 2_000) * 1_000}


def test_spot_exchange_info() -> None:
    api = Api("spot", weight_limit=4_321)
    info = api.json("exchangeInfo")
    limits = {limit["rateLimitType"]: limit["limit"] for limit in info["rateLimits"]}
    assert limits["REQUEST_WEIGHT"] == 4_321
    symbols = {symbol["symbol"]: symbol for symbol in info["symbols"]}
    assert {symbol["status"] for symbol in symbols.values()} >= {"TRADING", "HALT", "BREAK"}
    assert any(not symbol.isascii() for symbol in symbols)
    btc = symbols["BTCUSDT"]
    assert (btc["baseAsset"], btc["quoteAsset"], btc["permissions"]) == ("BTC", "USDT", [])
    filters = {entry["filterType"]: entry for entry in btc["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"


def test_spot_exchange_info_of_some_symbols() -> None:
    api = Api("spot")

    def names(query: str) -> list[str]:
        return [symbol["symbol"] for symbol in api.json(f"exchangeInfo?{query}")["symbols"]]

    assert names("symbol=ETHUSDT") == ["ETHUSDT"]
    assert names('symbols=["ETHUSDT","BTCUSDT"]') == ["BTCUSDT", "ETHUSDT"]
    assert names("symbol=%E6%B5%8B%E8%AF%95%E5%B8%81USDT") == ["测试币USDT"]
    assert error(api.get("exchangeInfo?symbol=NOSUCH")) == (400, -1121)
    assert error(api.get('exchangeInfo?symbols=["BTCUSDT","NOSUCH"]')) == (400, -1121)
    assert error(api.get("exchangeInfo?symbols=BTCUSDT")) == (400, -1100)


def test_usdm_exchange_info() -> None:
    info = Api("usdm").json("exchangeInfo")
    symbols = {symbol["symbol"]: symbol for symbol in info["symbols"]}
    assert symbols["BTCUSDT"]["contractType"] == "PERPETUAL"
    assert symbols["BTCUSDT"]["deliveryDate"] == 4_133_404_800_000
    quarter = symbols["BTCUSDT_261225"]
    assert (quarter["contractType"], quarter["pair"]) == ("CURRENT_QUARTER", "BTCUSDT")
    assert quarter["deliveryDate"] == 1_798_185_600_000
    assert symbols["TSLAUSDT"]["contractType"] == "TRADIFI_PERPETUAL"
    assert {symbol["status"] for symbol in symbols.values()} > {"TRADING"}
    btc = symbols["BTCUSDT"]
    tick = next(e["tickSize"] for e in btc["filters"] if e["filterType"] == "PRICE_FILTER")
    assert (tick, btc["pricePrecision"], btc["quantityPrecision"]) == ("0.10", 2, 3)


@markets
def test_above_the_limit_429_until_the_window_ends(market: Market) -> None:
    api = Api(market, weight_limit=3)
    assert [api.get("time").status for _ in range(3)] == [200] * 3
    refused = api.get("time")
    assert error(refused) == (429, -1003)
    assert dict(refused.headers)["Retry-After"] == "60"
    assert weight(refused) == 4
    api.now += 59.5
    assert dict(api.get("time").headers)["Retry-After"] == "1"
    api.now += 0.5
    answer = api.get("time")
    assert (answer.status, weight(answer)) == (200, 1)
    assert api.counts["requests_429"] == 2


def test_who_goes_on_after_429_is_banned() -> None:
    api = Api("spot", weight_limit=1, breaches_before_ban=2, ban_seconds=90)
    statuses = [api.get("time").status for _ in range(6)]
    assert statuses == [200, 429, 429, 429, 418, 418]
    assert api.rest.limits.breaches == 3
    banned = api.get("time")
    body = msgspec.json.decode(banned.body)
    assert f"banned until {START_MS + 90_000}." in body["msg"]
    assert dict(banned.headers)["Retry-After"] == "90"
    api.now += 60
    assert error(api.get("time")) == (418, -1003)
    api.now += 30
    assert api.get("time").status == 200


def test_throttle_and_ban_on_demand() -> None:
    api = Api("usdm")
    api.rest.inject(Throttle(2))
    assert dict(api.get("time").headers)["Retry-After"] == "2"
    api.now += 2
    assert api.get("time").status == 200
    api.rest.inject(Ban(5))
    api.now += 3.5
    banned = api.get("time")
    assert (banned.status, dict(banned.headers)["Retry-After"]) == (418, "2")
    api.now += 1.5
    assert api.get("time").status == 200
    assert api.rest.limits.breaches == 0


def test_server_errors_count_down_and_still_carry_the_weight() -> None:
    api = Api("spot")
    api.rest.inject(ServerError(502, 2))
    answers = [api.get("time") for _ in range(3)]
    assert [answer.status for answer in answers] == [502, 502, 200]
    assert [weight(answer) for answer in answers] == [1, 2, 3]


def test_a_slow_answer_is_made_before_it_waits() -> None:
    api = Api("spot")
    api.rest.inject(SlowAnswer(3.0))
    before = api.market.feeds["BTCUSDT"].market.book.update_id
    slow = api.get("depth?symbol=BTCUSDT")
    api.advance(1)
    assert slow.delay == 3.0
    assert msgspec.json.decode(slow.body)["lastUpdateId"] == before
    assert api.get("depth?symbol=BTCUSDT").delay == 0.0


@markets
def test_stale_snapshots_are_older_than_what_is_sent_next(market: Market) -> None:
    api = Api(market)
    api.advance(5.5)
    api.rest.inject(StaleSnapshot(2))
    depth = "depth?symbol=BTCUSDT&limit=1000"
    stale = [api.json(depth) for _ in range(2)]
    fresh = api.json(depth)
    assert stale[0]["lastUpdateId"] == stale[1]["lastUpdateId"] < fresh["lastUpdateId"]
    event = next(
        publication
        for publication in api.market.advance(api.market.now_us + 200_000)
        if publication.stream == "btcusdt@depth@100ms"
    )
    assert stale[0]["lastUpdateId"] < msgspec.json.decode(event.payload(False, 1_000))["U"] - 1
    true = api.truth.book_at("BTCUSDT", stale[0]["lastUpdateId"])
    assert [tuple(level) for level in stale[0]["bids"]] == true.top(1_000)[0]
    assert api.counts["stale_snapshots"] == 2
