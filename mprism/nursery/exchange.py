"""One exchange: its instrument list, then a feed per connection and per poll that is needed."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from time import time

import structlog
import trio

from mprism import __version__
from mprism.feeds.errors import FeedError, NetworkFault
from mprism.feeds.feed import EventSink, Feed
from mprism.feeds.instrument import Instrument, select
from mprism.feeds.registry import VENUES
from mprism.feeds.rest import RestClient, open_rest
from mprism.feeds.session import Connection
from mprism.feeds.transport import open_websocket
from mprism.feeds.venue import ConnectionPlan, Plan, PollPlan, Venue
from mprism.feeds.weight import Budgets, WeightBudget
from mprism.nursery.backoff import Backoff
from mprism.nursery.pace import Pace
from mprism.nursery.polling import random_offset, run_poll
from mprism.nursery.supervisor import pause_after, run_feed
from mprism.settings import ExchangeName, ExchangeSettings
from mprism.state import CollectorState, FeedState, FeedStatus

logger = structlog.get_logger()


_CONNECTS_SHARE = 0.5  # of the attempts that an exchange grants an address


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """What would run for one exchange."""

    name: ExchangeName
    instruments: tuple[Instrument, ...]
    plan: Plan
    skipped: tuple[str, ...]  # entries of the exchange's list that could not be read


@dataclass(slots=True)
class Hosts:
    """What exchange names share that are served by one host: the limits of our address there."""

    _budgets: dict[str, Budgets] = field(default_factory=dict)
    _connects: dict[str, WeightBudget] = field(default_factory=dict)

    def budgets(self, venue: Venue, settings: ExchangeSettings) -> Budgets:
        """The REST budgets of the venue's host, by the least share that is configured for it."""
        url, share = venue.rest_url(settings), settings.rest_weight_share
        budgets = self._budgets.setdefault(url, Budgets(venue.limits, share))
        budgets.share_at_most(share)
        return budgets

    def connects(self, venue: Venue, host: str) -> WeightBudget:
        """The connection attempts that `host` grants."""
        if host not in self._connects:
            limit = venue.connects
            self._connects[host] = WeightBudget(limit.weight, _CONNECTS_SHARE, limit.seconds)
        return self._connects[host]


def open_exchange_rest(
    name: ExchangeName, settings: ExchangeSettings, hosts: Hosts
) -> AbstractAsyncContextManager[RestClient]:
    """The REST client that all requests to this exchange share."""
    venue = VENUES[name]
    return open_rest(
        venue.rest_url(settings),
        hosts.budgets(venue, settings),
        timeout_seconds=settings.rest_timeout_seconds,
        user_agent=f"mprism/{__version__}",
        failure_of=venue.failure_of,
    )


async def plan_exchange(
    name: ExchangeName, settings: ExchangeSettings, rest: RestClient
) -> ExchangePlan:
    """Ask the exchange for its instruments and plan what is needed.

    Raises UnknownSymbol for a configured symbol that is not listed, and the feed errors.
    """
    venue: Venue = VENUES[name]
    bodies = [await rest.get(request) for request in venue.instrument_requests(settings)]
    listed = venue.parse_instruments(bodies)
    if not listed.instruments:
        # No configuration is wrong for that: an exchange always has something.
        raise NetworkFault(f"{name} lists no instruments")
    for pool, limit in listed.limits.items():
        rest.budgets.set_limit(pool, limit)
    instruments = select(listed.instruments, settings.symbols, name)
    plan = venue.plan(settings, instruments, listed.instruments)
    return ExchangePlan(name, instruments, plan, listed.skipped)


async def run_exchange(
    name: ExchangeName,
    settings: ExchangeSettings,
    state: CollectorState,
    events: EventSink,
    feeds: dict[str, Feed[ConnectionPlan]],
    planned: trio.Event,
    hosts: Hosts,
) -> None:
    """Run all feeds of one exchange until cancelled.

    `feeds` gets an entry for each connection, and `planned` is set when it has them all.
    Raises UnknownSymbol.
    """
    async with open_exchange_rest(name, settings, hosts) as rest:
        plan = await _plan_with_patience(name, settings, state, rest)
        _log_plan(plan)
        connector = Connector(VENUES[name], settings, hosts)
        async with trio.open_nursery() as nursery:
            for connection in plan.plan.connections:
                feed_state = FeedState(connection.name, name, connection.url, clock=state.clock)
                feed = Feed(connection, settings, feed_state, events)
                feeds[connection.name] = feed
                state.feeds[connection.name] = feed_state
                nursery.start_soon(run_feed, feed, connector.connect, rest)
            for poll in plan.plan.polls:
                poll_state = FeedState(poll.name, name, poll.url, "rest", state.clock)
                state.feeds[poll.name] = poll_state
                poll_feed: Feed[PollPlan] = Feed(poll, settings, poll_state, events)
                offset = random_offset(poll.period_seconds, Random())
                nursery.start_soon(run_poll, poll_feed, rest, Pace(poll.period_seconds, offset))
            planned.set()


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens the connections of one exchange, no faster than its host allows."""

    venue: Venue
    settings: ExchangeSettings
    hosts: Hosts

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Connection]:
        """A connection to `url`; waits for its turn. Raises the feed errors."""
        budget = self.hosts.connects(self.venue, host_of(url))
        # Asked again after each wait: others wait for the same window.
        while (delay := budget.delay(1, time())) > 0:  # noqa: ASYNC110
            await trio.sleep(delay)
        budget.spend(1, time())
        async with open_websocket(
            url,
            open_timeout_seconds=self.settings.open_timeout_seconds,
            max_frame_bytes=self.settings.max_frame_bytes,
        ) as connection:
            yield connection


def host_of(url: str) -> str:
    """Host and port of a URL."""
    return url.partition("://")[2].partition("/")[0]


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
        connections=[connection.name for connection in plan.plan.connections],
        streams=sum(len(connection.streams) for connection in plan.plan.connections),
        polls=[poll.name for poll in plan.plan.polls],
    )
