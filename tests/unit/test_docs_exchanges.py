"""The pages of the exchanges say what is collected from where, and within which limits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Final, get_args
from urllib.parse import urlsplit

import msgspec
import pytest

from mprism.feeds.binance.market import SPOT, USDM, Market
from mprism.feeds.instrument import Instrument, MarketType
from mprism.feeds.protocol import Continuity
from mprism.feeds.registry import VENUES
from mprism.feeds.venue import Plan, Venue
from mprism.feeds.weight import Limit
from mprism.settings import DEFAULTS, OFFERED, DataType, ExchangeName, ExchangeSettings
from mprism.state import StreamState
from tests.unit.documents import ROOT, Document, document, spans

_FROM_WHERE: Final = "What is collected from where"
_LIMITS: Final = "Limits that are kept"


@dataclass(frozen=True)
class Column:
    """What the page of an exchange says of one of its names."""

    exchange: ExchangeName

    @property
    def page(self) -> Document:
        return document(f"docs/exchanges/{self.exchange.partition('_')[0]}.md")

    def rows(self, section: str, first: str) -> dict[str, str]:
        heading = f"`{self.exchange}`"
        return {row[first]: row[heading] for row in self.page.section(section).rows(first)}

    def from_where(self, row: str) -> str:
        return self.rows(_FROM_WHERE, "")[row]


def variants(exchange: ExchangeName, data_type: DataType) -> Iterator[ExchangeSettings]:
    """Every way in which a data type can be configured to be collected."""
    for trades in ("all", "aggregated"):
        for liquidations in ("symbols", "all"):
            settings = msgspec.structs.replace(
                DEFAULTS[exchange],
                data_types=(data_type,),
                trades=trades,
                liquidations=liquidations,
            )
            if VENUES[exchange].check(settings) is None:
                yield settings


def planned(venue: Venue, settings: ExchangeSettings) -> Plan:
    """A plan of one instrument of each market."""
    markets: tuple[MarketType, ...] = ("perpetual", "futures")
    listed = {
        f"A-{market}": Instrument(venue.name, market, "BTC-USD", f"A-{market}", has_funding=True)
        for market in (("spot",) if venue.name.endswith("spot") else markets)
    }
    return venue.plan(settings, list(listed.values()), listed)


def named(stream: str) -> str:
    return re.sub("a-(spot|perpetual|futures)", "<instrument>", stream, flags=re.IGNORECASE)


def sources(exchange: ExchangeName, settings: ExchangeSettings) -> Iterator[str]:
    """The streams with the paths of their connections, and the requests of the polls."""
    plan = planned(VENUES[exchange], settings)
    for connection in plan.connections:
        yield urlsplit(connection.url).path
        yield from map(named, connection.streams)
    for poll in plan.polls:
        protocol = poll.make_protocol(Continuity(), {})
        yield from (f"GET {wanted.request.path}" for wanted in protocol.begin(0))


@pytest.mark.parametrize("exchange", get_args(ExchangeName))
def test_what_is_collected_from_where(exchange: ExchangeName) -> None:
    column, settings = Column(exchange), DEFAULTS[exchange]
    (host,) = {
        urlsplit(each.url).netloc for each in planned(VENUES[exchange], settings).connections
    }
    assert spans(column.from_where("WebSocket base")) == [f"wss://{host}"]
    assert spans(column.from_where("REST base")) == [VENUES[exchange].rest_url(settings)]
    requests = VENUES[exchange].instrument_requests(settings)
    told = spans(column.from_where("instruments"))
    assert told == list(dict.fromkeys(f"GET {request.path}" for request in requests))


@pytest.mark.parametrize(
    ("exchange", "data_type"),
    [(name, data_type) for name, offered in OFFERED.items() for data_type in offered],
)
def test_every_stream_and_every_request(exchange: ExchangeName, data_type: DataType) -> None:
    told = set(spans(Column(exchange).from_where(f"`{data_type}`")))
    real = {source for each in variants(exchange, data_type) for source in sources(exchange, each)}
    assert real <= told
    # What a connection asks for besides by REST.
    assert all(more.startswith("GET /") for more in told - real)


@pytest.mark.parametrize("exchange", get_args(ExchangeName))
def test_every_path_is_one_of_the_code(exchange: ExchangeName) -> None:
    folder = ROOT / "mprism" / "feeds" / exchange.partition("_")[0]
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for text in Column(exchange).rows(_FROM_WHERE, "").values():
        for span in spans(text):
            if span.startswith("GET /"):
                assert f'/{span.rpartition("/")[2]}"' in code, span


@pytest.mark.parametrize("exchange", get_args(ExchangeName))
def test_how_long_each_stream_may_be_silent(exchange: ExchangeName) -> None:
    told = {
        data_type: inf if row["patience"] == "without end" else float(row["patience"])
        for row in document("docs/http.md").section("Patience").rows("exchange")
        for data_type in spans(row["data types"])
        if exchange.startswith(row["exchange"].lower())
    }
    for data_type in OFFERED[exchange]:
        for settings in variants(exchange, data_type):
            plan = planned(VENUES[exchange], settings)
            states: dict[str, StreamState] = {}
            for connection in plan.connections:
                connection.make_protocol(Continuity(), states)
            assert {each.patience for each in states.values()} <= {told.get(data_type, 0.0)}
            for poll in plan.polls:
                polled: dict[str, StreamState] = {}
                poll.make_protocol(Continuity(), polled)
                assert {each.patience for each in polled.values()} == {3 * poll.period_seconds}


def shown(limit: Limit) -> str:
    return f"{limit.weight:g} in {limit.seconds:g} s"


@pytest.mark.parametrize("exchange", get_args(ExchangeName))
def test_every_limit(exchange: ExchangeName) -> None:
    venue = VENUES[exchange]
    told = Column(exchange).rows(_LIMITS, "limit")
    (inbound,) = {
        each.inbound_per_second for each in planned(venue, DEFAULTS[exchange]).connections
    }
    assert {name: text for name, text in told.items() if text} == {
        **{f"REST, `{pool}`": shown(limit) for pool, limit in venue.limits.items()},
        "connection attempts": shown(venue.connects),
        "frames that we send": f"{inbound:g} a second",
    }


@pytest.mark.parametrize("market", [SPOT, USDM])
def test_what_snapshots_of_binance_cost(market: Market) -> None:
    column = Column(market.exchange)
    assert f"weight {market.instruments_weight}" in column.from_where("instruments")
    assert spans(column.from_where("book snapshot")) == [f"GET {market.depth_path}"]
    weights = [int(n) for n in re.findall(r"\d+", column.from_where("weight of a snapshot"))]
    assert weights == [n for pair in market.depth_weights for n in pair]
    window = column.from_where("window that the exchange keeps true")
    assert window.startswith(f"{market.window} ")
