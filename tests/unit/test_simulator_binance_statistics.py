"""`/futures/data` of simulated USD-M: points, ranges, the time of their appearance, the limit."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from mprism.simulator.faults import Ban, ServerError
from mprism.simulator.tape import Outcome
from mprism.simulator.values import ValueTape
from tests.unit.simulator_api import START_MS, Api, decoded, error, weight

RATIOS = ("topLongShortPositionRatio", "topLongShortAccountRatio", "globalLongShortAccountRatio")
KINDS = (*RATIOS, "openInterestHist")
FIVE_MINUTES = 300_000

kinds = pytest.mark.parametrize("kind", KINDS)


def statistics(**options: Any) -> Api:
    return Api("usdm", rate=0, levels=30, **options)


def target(kind: str, **options: object) -> str:
    chosen = {"symbol": "BTCUSDT", "period": "5m", **options}
    query = "&".join(f"{name}={value}" for name, value in chosen.items() if value is not None)
    return f"/futures/data/{kind}?{query}"


def rows(api: Api, kind: str, **options: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = decoded(api.ask(target(kind, **options)))
    return found


def times(api: Api, kind: str, **options: object) -> list[int]:
    return [row["timestamp"] for row in rows(api, kind, **options)]


def tape(api: Api, data_type: str, symbol: str = "BTCUSDT") -> ValueTape:
    (found,) = (t for t in api.truth.values() if (t.data_type, t.symbol) == (data_type, symbol))
    return found


@pytest.mark.parametrize("kind", RATIOS)
def test_a_ratio_and_its_shares_belong_together(kind: str) -> None:
    found = rows(statistics(), kind, limit=500)
    for row in found:
        assert row.keys() == {
            "symbol",
            "longShortRatio",
            "longAccount",
            "shortAccount",
            "timestamp",
            "zz",
        }
        long, short = float(row["longAccount"]), float(row["shortAccount"])
        assert long + short == pytest.approx(1, abs=1e-9)
        assert float(row["longShortRatio"]) == pytest.approx(long / short, abs=5.1e-5)
        assert {len(row[name]) for name in ("longShortRatio", "longAccount")} == {6}
    ratios = [float(row["longShortRatio"]) for row in found]
    assert min(ratios) < 0.9 < 1.1 < max(ratios)
    assert all(a != b for a, b in pairwise(ratios[:20]))


def test_the_ratios_and_the_symbols_differ() -> None:
    api = statistics()
    found = [rows(api, kind, symbol=s) for kind in RATIOS for s in ("BTCUSDT", "ETHUSDT")]
    assert len({tuple(row["longShortRatio"] for row in answer) for answer in found}) == 6


def test_open_interest_history_has_its_own_fields() -> None:
    (row,) = rows(statistics(), "openInterestHist", limit=1)
    assert row.keys() == {
        "symbol",
        "sumOpenInterest",
        "sumOpenInterestValue",
        "CMCCirculatingSupply",
        "timestamp",
    }
    assert float(row["sumOpenInterestValue"]) == pytest.approx(
        float(row["sumOpenInterest"]) * 65_123.4, rel=0.01
    )


def test_open_interest_history_agrees_with_what_was_told_at_its_time() -> None:
    api = statistics(statistics_seconds=5)
    now: dict[int, tuple[float, float]] = {}
    for _ in range(20):
        held = api.json("openInterest?symbol=BTCUSDT")
        mark = float(api.json("premiumIndex?symbol=BTCUSDT")["markPrice"])
        now[held["time"]] = float(held["openInterest"]), mark
        api.advance(1)
    compared = 0
    for row in rows(api, "openInterestHist", limit=3):
        lots, mark = now[row["timestamp"]]
        assert float(row["sumOpenInterest"]) == lots
        assert float(row["sumOpenInterestValue"]) == pytest.approx(lots * mark, rel=1e-9)
        compared += 1
    assert compared == 3


@kinds
def test_without_a_start_the_newest_points_come_ascending(kind: str) -> None:
    api = statistics()
    found = times(api, kind)
    assert len(found) == 30
    assert {b - a for a, b in pairwise(found)} == {FIVE_MINUTES}
    assert found[-1] % FIVE_MINUTES == 0
    assert found == times(api, kind, limit=500)[-30:]
    assert times(api, kind, limit=2, endTime=found[10] + 1) == found[9:11]


@kinds
def test_from_a_start_the_first_points_come(kind: str) -> None:
    api = statistics()
    all_of_them = times(api, kind, limit=500)
    start = all_of_them[100]
    assert times(api, kind, startTime=start, limit=3) == all_of_them[100:103]
    assert times(api, kind, startTime=start - 1, limit=1) == [start]
    assert times(api, kind, startTime=start + 1, limit=1) == [start + FIVE_MINUTES]
    assert times(api, kind, startTime=start, endTime=start + FIVE_MINUTES) == all_of_them[100:102]
    assert times(api, kind, startTime=all_of_them[-2], limit=500) == all_of_them[-2:]
    assert times(api, kind, startTime=start, endTime=start - 1) == []


@kinds
def test_a_point_appears_once_its_period_is_over_and_stays_as_it_is(kind: str) -> None:
    api = statistics(statistics_seconds=5)
    first_seen: dict[int, int] = {}
    values: dict[int, dict[str, Any]] = {}
    for _ in range(300):
        api.advance(0.1)
        for row in rows(api, kind, limit=4):
            first_seen.setdefault(row["timestamp"], api.market.now_us // 1_000)
            assert values.setdefault(row["timestamp"], row) == row
    delays = [seen - time for time, seen in first_seen.items() if time > START_MS]
    assert len(delays) == 5
    assert 500 <= min(delays) < max(delays) <= 2_100
    assert all(b - a == 5_000 for a, b in pairwise(first_seen))


@pytest.mark.parametrize(("period", "hours"), [("15m", 0.25), ("1h", 1), ("1d", 24)])
def test_longer_periods_are_multiples(period: str, hours: float) -> None:
    api = statistics()
    found = rows(api, "globalLongShortAccountRatio", period=period, limit=4)
    apart = {b["timestamp"] - a["timestamp"] for a, b in pairwise(found)}
    assert apart == {hours * 3_600_000}
    newest = found[-1]
    start = newest["timestamp"]
    assert rows(api, "globalLongShortAccountRatio", startTime=start, limit=1) == [newest]


@kinds
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"symbol": None}, -1102),
        ({"period": None}, -1102),
        ({"period": "3m"}, -1130),
        ({"limit": 501}, -1130),
        ({"limit": "some"}, -1100),
        ({"startTime": "yesterday"}, -1100),
        ({"startTime": START_MS - 31 * 86_400_000}, -1130),
        ({"symbol": "NOSUCH"}, -1121),
    ],
)
def test_bad_parameters(kind: str, options: dict[str, object], code: int) -> None:
    assert error(statistics().ask(target(kind, **options))) == (400, code)


def test_a_listed_symbol_without_a_market_has_no_points() -> None:
    assert rows(statistics(), RATIOS[0], symbol="NEWUSDT") == []


def test_there_are_no_other_statistics_and_none_on_spot() -> None:
    assert error(statistics().ask(target("basis"))) == (404, -5000)
    assert error(Api("spot", levels=30).ask(target(RATIOS[0]))) == (404, -5000)


def test_statistics_cost_no_weight_but_have_a_limit_of_their_own() -> None:
    api = statistics(statistics_limit=3, weight_limit=5)
    answers = [api.ask(target(kind)) for kind in KINDS]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [weight(answer) for answer in answers] == [0] * 4
    assert error(answers[-1]) == (429, -1003)
    assert dict(answers[-1].headers)["Retry-After"] == "300"
    assert "3 requests per 5 minutes" in msgspec.json.decode(answers[-1].body)["msg"]
    assert api.get("time").status == api.get("fundingInfo").status == 200
    api.now += 299.5
    assert dict(api.ask(target(RATIOS[0])).headers)["Retry-After"] == "1"
    api.now += 0.5
    assert [api.ask(target(RATIOS[0])).status for _ in range(4)] == [200, 200, 200, 429]


def test_the_limits_are_the_documented_ones_unless_others_are_wanted() -> None:
    rules = statistics().rules
    assert (rules.statistics_limit, rules.funding_limit, rules.pool_window) == (1_000, 500, 300)


def test_who_goes_on_asking_for_statistics_is_banned_from_everything() -> None:
    api = statistics(statistics_limit=1, breaches_before_ban=1, ban_seconds=60)
    statuses = []
    for _ in range(4):
        statuses.append(api.ask(target(RATIOS[0])).status)
        # Other requests in between do not make up for it.
        statuses.append(api.get("time").status)
    assert statuses == [200, 200, 429, 200, 429, 200, 418, 418]
    assert api.rest.limits.breaches == 2
    api.now += 60
    assert api.get("time").status == 200
    assert api.ask(target(RATIOS[0])).status == 429


def test_a_ban_and_errors_on_demand_concern_statistics_too() -> None:
    api = statistics()
    api.rest.inject(ServerError(502))
    assert api.ask(target(RATIOS[0])).status == 502
    api.rest.inject(Ban(2))
    assert api.ask(target(RATIOS[0])).status == 418
    assert len(tape(api, "lsr_top_position")) == 0


@pytest.mark.parametrize(
    ("kind", "data_type", "holder"),
    [
        ("topLongShortPositionRatio", "lsr_top_position", "position"),
        ("globalLongShortAccountRatio", "lsr_all_account", "account"),
    ],
)
def test_the_truth_has_each_point_that_was_told_once(
    kind: str, data_type: str, holder: str
) -> None:
    api = statistics()
    seen = rows(api, kind, limit=12) + rows(api, kind, limit=14)
    points = {row["timestamp"]: row for row in seen}
    records = list(tape(api, data_type).records(Outcome.CONFIRMED))
    assert len(records) == 14
    for record in records:
        row = points[record.time_ms]
        assert record.fields == {
            "long_short_ratio": row["longShortRatio"],
            f"long_{holder}_ratio": row["longAccount"],
            f"short_{holder}_ratio": row["shortAccount"],
            "period": "5m",
        }
    assert len(tape(api, data_type, "ETHUSDT")) == 0


def test_what_is_no_data_type_is_not_in_the_truth() -> None:
    api = statistics()
    rows(api, "topLongShortAccountRatio")
    rows(api, "openInterestHist")
    rows(api, "globalLongShortAccountRatio", period="1h")
    assert [len(t) for t in api.truth.values() if t.data_type.startswith("lsr")] == [0] * 4
    assert api.truth.data_types >= {"lsr_top_position", "lsr_all_account", "open_interest"}


def test_the_same_seed_gives_the_same_points() -> None:
    once, again = statistics(), statistics()
    again.advance(3)
    assert rows(once, RATIOS[0], endTime=START_MS) == rows(again, RATIOS[0], endTime=START_MS)
