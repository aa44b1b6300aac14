"""What a configuration would run, found out by asking the exchanges and the broker.

Nothing is changed: instrument lists are read, no WebSocket is opened, and the stream is
compared, not created.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import trio

from mprism.configuration import mask
from mprism.feeds.errors import FeedError, UnknownSymbol
from mprism.feeds.registry import VENUES
from mprism.nursery.broker import BrokerError, broker_urls
from mprism.nursery.exchange import ExchangePlan, Hosts, open_exchange_rest, plan_exchange
from mprism.nursery.jetstream import open_connection, open_loop
from mprism.nursery.server_binary import NoServerBinaryError, find_server_binary
from mprism.nursery.stream import stream_info
from mprism.nursery.stream_config import plan_for, wanted_config
from mprism.settings import ExchangeName, ExchangeSettings, NatsSettings, Settings


class Finding(NamedTuple):
    """One line of the check. The exit code is 0 where all is well."""

    exit_code: int
    line: str


Tell = Callable[[Finding], None]


async def check_settings(settings: Settings, tell: Tell) -> int:
    """Tell what would run and what is wrong; the worst exit code of all findings."""
    worst = 0

    def note(finding: Finding) -> None:
        nonlocal worst
        worst = max(worst, finding.exit_code)
        tell(finding)

    for name, exchange in settings.exchanges.items():
        await _check_exchange(name, exchange, note)
    await _check_broker(settings.nats, note)
    http = settings.http
    note(Finding(0, f"http: {http.host}, port {http.port}, metrics {http.metrics_port}"))
    note(Finding(worst, "not all is well" if worst else "all is well"))
    return worst


async def _check_exchange(name: ExchangeName, settings: ExchangeSettings, tell: Tell) -> None:
    tell(Finding(0, f"{name}: {VENUES[name].rest_url(settings)}"))
    # A throttled exchange may ask for minutes; a check is not that patient.
    with trio.move_on_after(settings.rest_timeout_seconds) as patience:
        try:
            async with open_exchange_rest(name, settings, Hosts()) as rest:
                plan = await plan_exchange(name, settings, rest)
        except UnknownSymbol as error:
            tell(Finding(2, f"  {error}"))
        except FeedError as error:
            tell(Finding(1, f"  cannot read the instruments: {error}"))
        else:
            _tell_plan(plan, settings, tell)
    if patience.cancelled_caught:
        tell(Finding(1, f"  no answer after {settings.rest_timeout_seconds:g} s"))


def _tell_plan(plan: ExchangePlan, settings: ExchangeSettings, tell: Tell) -> None:
    symbols = ", ".join(instrument.symbol for instrument in plan.instruments)
    data_types = ", ".join(dict.fromkeys(settings.data_types))
    if not (plan.plan.connections or plan.plan.polls):
        tell(Finding(2, f"  nothing to collect: there is no {data_types} of {symbols}"))
        return
    tell(Finding(0, f"  {data_types} of {symbols}"))
    idle = [instrument.symbol for instrument in plan.instruments if not instrument.trading]
    if idle:
        tell(Finding(0, f"  not trading now, so silent: {', '.join(idle)}"))
    if plan.skipped:
        tell(Finding(0, f"  {len(plan.skipped)} listed instruments not understood"))
    for connection in plan.plan.connections:
        streams = ", ".join(connection.streams[:4])
        more = f" and {len(connection.streams) - 4} more" if len(connection.streams) > 4 else ""
        tell(Finding(0, f"  connection {connection.name}: {connection.url}"))
        tell(Finding(0, f"    {len(connection.streams)} streams: {streams}{more}"))
    for poll in plan.plan.polls:
        tell(Finding(0, f"  poll {poll.name}: {poll.url}, every {poll.period_seconds:g} s"))


async def _check_broker(settings: NatsSettings, tell: Tell) -> None:
    if settings.url is None:
        try:
            binary = find_server_binary()
        except NoServerBinaryError as error:
            tell(Finding(2, f"broker: {error}"))
            return
        tell(Finding(0, f"broker: embedded, {binary}, data in {settings.data_folder}"))
        if not _can_be_made(settings.data_folder):
            tell(Finding(1, f"broker: nats.data_folder {settings.data_folder} cannot be used"))
        return
    async with open_loop():
        for url in broker_urls(settings.url):
            # Inside the loop, which would put the error into a group.
            try:
                line = await _ask_broker(url, settings)
            except BrokerError as error:
                tell(Finding(1, f"broker {mask(url)}: {error}"))
            else:
                tell(Finding(0, f"broker {mask(url)}: {line}"))


def _can_be_made(name: str) -> bool:
    """Whether there is such a folder to write to, or one can be made."""
    folder = Path(name).absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


async def _ask_broker(url: str, settings: NatsSettings) -> str:
    name = settings.stream.name
    timeout = settings.connect_timeout_seconds
    async with open_connection(url, connect_timeout=timeout) as connection:
        existing = await stream_info(connection, name)
        version = connection.server_version
    if existing is None:
        return f"reached, server {version}, stream {name} will be created"
    plan = plan_for(wanted_config(settings.stream), existing, time.time_ns())
    refusal = plan.refusal(name)
    if refusal is not None:
        raise BrokerError(refusal)
    changes = f", will be changed: {', '.join(plan.changes)}" if plan.changes else ""
    return f"reached, server {version}, stream {name} is there{changes}"
