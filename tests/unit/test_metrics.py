"""Every metric line for a known state, and the text format itself."""

import shutil
import subprocess
from enum import StrEnum

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from mprism.http import metrics
from mprism.http.history import History
from mprism.http.look import Status
from mprism.http.metrics import MetricsPage, latency_metric
from mprism.state import BrokerStatus, FeedStatus, Histogram, Phase
from tests.unit.http_states import START, World, running_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A running collector with something to tell in every counter."""
    monkeypatch.setattr(metrics, "memory_bytes", lambda: 50_000_000)
    monkeypatch.setattr("platform.python_version", lambda: "3.11.0")
    world = running_world()
    feed = world.feed()
    feed.connects = 3
    feed.duplicates = 4
    feed.resyncs = 5
    feed.gaps["trade"] = 6
    feed.rejected["malformed"] = 7
    feed.books_live |= {"BTC-USDT", "ETH-USDT"}
    feed.books_out["BNB-USDT"] = "gap"
    other = world.feed("binance_derivatives")
    other.failed("reset")
    other.enter(FeedStatus.BACKING_OFF, "reset")
    publisher = world.state.publisher
    publisher.backlog_messages = 8
    publisher.backlog_bytes = 300
    publisher.oldest_recv_ns = int((world.clock() - 2.5) * 1e9)
    publisher.bursts_in_flight = 2
    publisher.messages_in_flight = 9
    publisher.bursts = 10
    publisher.resent = 11
    publisher.duplicates = 13
    publisher.dropped["backlog_full", "orderbook"] = 12
    for seconds in (0.00005, 0.00015, 0.003, 0.003, 500.0):
        publisher.latency.observe(seconds)
    world.state.broker.connects = 2
    world.history = History()  # one that has not seen these counts rise: the verdict stays good
    return world


def page(world: World, accept: str = "") -> str:
    body, _ = MetricsPage(world.state, world.settings, world.history).render(accept)
    return body.decode()


def samples(text: str) -> dict[str, float]:
    """Each line as its parser reads it, without those of the process collector."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.startswith("marketprism_process_")
    }


def line(name: str, /, **labels: str) -> str:
    return f"marketprism_{name}{sorted(labels.items())}"


def one_of(
    name: str, label: str, values: type[StrEnum], holds: str, **labels: str
) -> dict[str, float]:
    return {line(name, **{label: str(v)}, **labels): float(v == holds) for v in values}


BUCKETS = {f"{1e-4 * 2**i:.6g}": 1.0 if i == 0 else 2.0 if i < 5 else 4.0 for i in range(21)}


def expected() -> dict[str, float]:
    spot = {"exchange": "binance_spot", "feed": "binance_spot"}
    usdm = {"exchange": "binance_derivatives", "feed": "binance_derivatives"}
    spot_trade = {"exchange": "binance_spot", "market_type": "spot", "data_type": "trade"}
    usdm_trade = {
        "exchange": "binance_derivatives",
        "market_type": "perpetual",
        "data_type": "trade",
    }
    return {
        line("build_info", version="1.2.3", python="3.11.0"): 1,
        line("start_time_seconds"): START,
        line("uptime_seconds"): 5,
        line("memory_usage_bytes"): 50_000_000,
        **one_of("phase", "phase", Phase, "running"),
        **one_of("health_status", "status", Status, "healthy"),
        line("websocket_connections", exchange="binance_derivatives"): 0,
        line("websocket_connections", exchange="binance_spot"): 1,
        line("order_books", exchange="binance_derivatives", state="live"): 0,
        line("order_books", exchange="binance_derivatives", state="out_of_sequence"): 0,
        line("order_books", exchange="binance_spot", state="live"): 2,
        line("order_books", exchange="binance_spot", state="out_of_sequence"): 1,
        **one_of("feed_status", "status", FeedStatus, "live", **spot),
        **one_of("feed_status", "status", FeedStatus, "backing_off", **usdm),
        line("feed_failed_attempts", **spot): 0,
        line("feed_failed_attempts", **usdm): 1,
        line("feed_last_data_timestamp_seconds", **spot): START + 4,
        line("feed_last_data_timestamp_seconds", **usdm): START + 4,
        line("frames_total", **spot): 2,
        line("frames_total", **usdm): 2,
        line("received_bytes_total", **spot): 400,
        line("received_bytes_total", **usdm): 400,
        line("feed_reconnects_total", **spot): 2,
        line("feed_reconnects_total", **usdm): 0,
        line("duplicates_total", **spot): 4,
        line("duplicates_total", **usdm): 0,
        line("book_resyncs_total", **spot): 5,
        line("book_resyncs_total", **usdm): 0,
        line("frames_rejected_total", reason="malformed", **spot): 7,
        line("missing_ids_total", data_type="trade", **spot): 6,
        line("broker_up"): 1,
        line("broker_reconnects_total"): 1,
        line("events_received_total", **spot_trade): 2,
        line("events_received_total", **usdm_trade): 2,
        line("messages_published_total", **spot_trade): 2,
        line("messages_published_total", **usdm_trade): 2,
        line("last_event_timestamp_seconds", **spot_trade): START + 4,
        line("last_event_timestamp_seconds", **usdm_trade): START + 4,
        line("backlog_messages"): 8,
        line("backlog_bytes"): 300,
        line("backlog_limit_bytes"): 1_000,
        line("oldest_unacknowledged_seconds"): 2.5,
        line("bursts_in_flight"): 2,
        line("messages_in_flight"): 9,
        line("bursts_total"): 10,
        line("messages_resent_total"): 11,
        line("messages_deduplicated_total"): 13,
        line("messages_dropped_total", reason="backlog_full", data_type="orderbook"): 12,
        **{line("data_processing_duration_seconds_bucket", le=le): n for le, n in BUCKETS.items()},
        line("data_processing_duration_seconds_bucket", le="+Inf"): 5,
        line("data_processing_duration_seconds_count"): 5,
        line("data_processing_duration_seconds_sum"): 500.0062,
    }


def test_every_line_is_what_the_state_says(world: World) -> None:
    assert samples(page(world)) == pytest.approx(expected())


def test_the_verdict_and_the_broker_show(world: World) -> None:
    world.state.broker.enter(BrokerStatus.AWAY, "refused")
    world.clock.now += 11
    lines = samples(page(world))
    assert lines[line("broker_up")] == 0
    assert lines[line("health_status", status="unhealthy")] == 1
    assert lines[line("health_status", status="healthy")] == 0


def test_every_metric_has_the_prefix_and_says_what_it_means(world: World) -> None:
    families = list(text_string_to_metric_families(page(world)))
    assert all(family.name.startswith("marketprism_") for family in families)
    assert all(len(family.documentation) > 10 for family in families)
    assert all(family.type in ("counter", "gauge", "histogram") for family in families)
    assert len({family.name for family in families}) == len(families)


def test_no_label_is_a_symbol(world: World) -> None:
    labels = {
        name
        for family in text_string_to_metric_families(page(world))
        for sample in family.samples
        for name in sample.labels
    }
    assert labels == {
        "data_type",
        "exchange",
        "feed",
        "le",
        "market_type",
        "phase",
        "python",
        "reason",
        "state",
        "status",
        "version",
    }
    assert "USDT" not in page(world)


def test_counters_rise_between_scrapes_without_anything_being_counted_here(world: World) -> None:
    shown = MetricsPage(world.state, world.settings, world.history)
    before = samples(shown.render("")[0].decode())
    world.receive(world.feed(), "btcusdt@trade")
    after = samples(shown.render("")[0].decode())
    published = line(
        "messages_published_total", exchange="binance_spot", market_type="spot", data_type="trade"
    )
    assert after[published] == before[published] + 1


def test_only_websockets_count_as_websocket_connections(world: World) -> None:
    world.feed().kind = "rest"
    lines = samples(page(world))
    assert lines[line("websocket_connections", exchange="binance_spot")] == 0


def test_a_time_that_is_not_known_is_left_out(world: World) -> None:
    world.feed().last_data_at = None
    world.state.publisher.deliveries["binance_spot", "spot", "trade"].last_recv_ns = None
    text = page(world)
    assert text.count("\nmarketprism_feed_last_data_timestamp_seconds{") == 1
    assert text.count("\nmarketprism_last_event_timestamp_seconds{") == 1


def test_openmetrics_is_served_to_those_who_ask(world: World) -> None:
    shown = MetricsPage(world.state, world.settings, world.history)
    body, content_type = shown.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert "marketprism_messages_published" in names
    _, content_type = shown.render("text/html, */*")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_buckets_hold_all_that_is_not_above_their_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0001, 0.0002, 0.00020001, 200.0):
        histogram.observe(seconds)
    family = latency_metric(histogram)
    counted = {s.labels["le"]: s.value for s in family.samples if "le" in s.labels}
    assert (counted["0.0001"], counted["0.0002"], counted["0.0004"]) == (1, 2, 3)
    assert (counted["104.858"], counted["+Inf"]) == (3, 4)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_object_to(world: World) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page(world),
        text=True,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
