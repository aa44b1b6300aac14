"""One exchange: its instrument list, then a feed per connection that the configuration needs."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

import structlog
import trio

from mprism import __version__
from mprism.feeds.errors import FeedError
from mprism.feeds.feed import EventSink, Feed
from mprism.feeds.instrument import Instrument, select
from mprism.feeds.registry import VENUES
from mprism.feeds.rest import RestClient, open_rest
from mprism.feeds.transport import open_websocket
from mprism.feeds.venue import ConnectionPlan, Venue
from mprism.feeds.weight import WeightBudget
from mprism.nursery.backoff import Backoff
from mprism.nursery.supervisor import pause_after, run_feed
from mprism.settings import ExchangeName, ExchangeSettings
from mprism.state import CollectorState, FeedState, FeedStatus

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """What would run for one exchange."""

    name: ExchangeName
    instruments: tuple[Instrument, ...]
    connections: list[ConnectionPlan]
    skipped: tuple[str, ...]  # entries of the exchange's list that could not be read


def open_exchange_rest(
    name: ExchangeName, settings: ExchangeSettings
) -> AbstractAsyncContextManager[RestClient]:
    """The REST client that all requests to this exchange share."""
    venue = VENUES[name]
    return open_rest(
        venue.rest_url(settings),
        WeightBudget(venue.weight_per_minute, settings.rest_weight_share),
        timeout_seconds=settings.rest_timeout_seconds,
        user_agent=f"mprism/{__version__}",
    )


async def plan_exchange(
    name: ExchangeName, settings: ExchangeSettings, rest: RestClient
) -> ExchangePlan:
    """Ask the exchange for its instruments and plan the connections.

    Raises UnknownSymbol for a configured symbol that is not listed, and the feed errors.
    """
    venue: Venue = VENUES[name]
    path, weight = venue.instruments_request
    listed = venue.parse_instruments(await rest.get(path, {}, weight))
    if listed.weight_per_minute is not None:
        rest.budget.limit = listed.weight_per_minute
    instruments = select(listed.instruments, settings.symbols, name)
    return ExchangePlan(name, instruments, venue.plan(settings, instruments), listed.skipped)


async def run_exchange(
    name: ExchangeName,
    settings: ExchangeSettings,
    state: CollectorState,
    events: EventSink,
    feeds: dict[str, Feed],
    planned: trio.Event,
) -> None:
    """Run all feeds of one exchange until cancelled.

    `feeds` gets an entry for each, and `planned` is set when it has them all. Raises
    UnknownSymbol.
    """
    async with open_exchange_rest(name, settings) as rest:
        plan = await _plan_with_patience(name, settings, state, rest)
        _log_plan(plan)
        connect = partial(
            open_websocket,
            open_timeout_seconds=settings.open_timeout_seconds,
            max_frame_bytes=settings.max_frame_bytes,
        )
        async with trio.open_nursery() as nursery:
            for connection in plan.connections:
                feed = Feed(
                    connection,
                    settings,
                    FeedState(connection.name, name, connection.url, clock=state.clock),
                    events,
                )
                feeds[connection.name] = feed
                state.feeds[connection.name] = feed.state
                nursery.start_soon(run_feed, feed, connect, rest)
            planned.set()


async def _plan_with_patience(
    name: ExchangeName, settings: ExchangeSettings, state: CollectorState, rest: RestClient
) -> ExchangePlan:
    """The plan, as soon as the exchange tells its instruments. Visible as a feed meanwhile."""
    waiting = FeedState(
        f"{name}/instruments", name, VENUES[name].rest_url(settings), "rest", state.clock
    )
    state.feeds[waiting.name] = waiting
    backoff = Backoff(settings.backoff.first_seconds, settings.backoff.cap_seconds)
    while True:
        waiting.enter(FeedStatus.CONNECTING)
        try:
            plan = await plan_exchange(name, settings, rest)
        except FeedError as failure:
            await pause_after(failure, waiting, backoff, settings.backoff.refused_seconds)
        else:
            del state.feeds[waiting.name]
            return plan


def _log_plan(plan: ExchangePlan) -> None:
    if plan.skipped:
        logger.warning(
            "instruments skipped", exchange=plan.name, count=len(plan.skipped), why=plan.skipped[0]
        )
    idle = [instrument.symbol for instrument in plan.instruments if not instrument.trading]
    if idle:
        logger.warning("instruments not trading", exchange=plan.name, symbols=idle)
    logger.info(
        "exchange planned",
        exchange=plan.name,
        instruments=len(plan.instruments),
        connections=[connection.name for connection in plan.connections],
        streams=sum(len(connection.streams) for connection in plan.connections),
    )
