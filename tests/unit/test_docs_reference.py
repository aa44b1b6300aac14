"""The reference pages list what the code has: settings, fields, metrics, reasons, states."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect
from prometheus_client.parser import text_string_to_metric_families

from mprism.cli import main
from mprism.configuration import VARIABLES
from mprism.configuration.loading import CollectorFile
from mprism.feeds.binance.values import MALFORMED, UNKNOWN
from mprism.feeds.errors import FeedError
from mprism.feeds.protocol import NOT_SUBSCRIBED
from mprism.http.app import PATHS
from mprism.http.connections import Connections
from mprism.http.health import Health, Liveness, Readiness
from mprism.http.metrics import MetricsPage
from mprism.http.status import StatusPage
from mprism.nursery import outbox
from mprism.settings import DEFAULTS, ExchangeSettings, LoggingSettings
from mprism.state import BrokerStatus, FeedStatus, Phase
from tests.unit.documents import calls, document, options_of, spans
from tests.unit.http_states import running_world, said

# Settings


def shown(default: object) -> str:
    """A default as the tables write it."""
    if default is None:
        return "none"
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    return f"`{default}`"


def allowed(kind: Any) -> str | None:
    """What the tables say is allowed for a type; None where it is put into words."""
    match kind:
        case inspect.IntType() | inspect.FloatType():
            low = f"above {kind.gt}" if kind.gt is not None else f"{kind.ge}"
            if kind.lt is not None:
                return f"{low} to below {kind.lt}"
            if kind.le is None:
                return f"from {low}"
            return f"{low}, to {kind.le}" if kind.gt is not None else f"{low} to {kind.le}"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.VarTupleType(item_type=inspect.LiteralType() as item):
            return f"at least one of {allowed(item)}"
        case inspect.VarTupleType():
            return "at least one"
        case _:
            return None


def in_parts(text: str) -> tuple[str, set[str]]:
    """The words and the values of a text: msgspec sorts values, the tables do not."""
    return text.split("`")[0], set(spans(text))


def settings_of(kind: Any, prefix: str = "") -> Iterator[tuple[str, str, str | None]]:
    """Every key of a settings struct with its default and what is allowed."""
    for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        if field.name == "defaults":
            continue  # takes the keys of every exchange
        if isinstance(field.type, inspect.StructType):
            yield from settings_of(field.type.cls, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", shown(field.default), allowed(field.type)


def test_every_setting_has_its_default_and_its_bounds() -> None:
    told = {
        name: row
        for row in document("docs/configuration.md").rows("key")
        for name in spans(row["key"])
    }
    real = [
        setting
        for kind in (CollectorFile, ExchangeSettings, LoggingSettings)
        for setting in settings_of(kind)
    ]
    assert set(told) == {key for key, _, _ in real}
    for key, default, bounds in real:
        assert told[key]["default"] == default, key
        assert told[key]["allowed"], key
        if bounds is not None:
            assert in_parts(told[key]["allowed"]) == in_parts(bounds), key


def test_every_exchange_with_symbols_of_its_own() -> None:
    rows = document("docs/configuration.md").rows("key")
    told = next(row["meaning"] for row in rows if row["key"] == "`symbols`")
    for name, settings in DEFAULTS.items():
        if settings.symbols != ExchangeSettings().symbols:
            assert f"`{name}` the default is `{'`, `'.join(settings.symbols)}`" in told


def test_every_variable_and_every_option() -> None:
    page = document("docs/configuration.md")
    variables = page.column("variable", "setting")
    assert set(variables) == {*VARIABLES, "MPRISM_CONFIG", "COLLECTOR_MODE"}
    for name, setting in VARIABLES.items():
        assert spans(variables[name]) == [setting]
    options = set(page.column("option"))
    for command in ("run", "check", "replay", "health"):
        assert options <= set(options_of(main.commands[command]))
    assert options & set(options_of(main.commands["demo"])) == set()
    assert options == set(options_of(main.commands["run"])) - {"--help", "-h"}


# HTTP


def test_every_metric_with_its_type_and_labels() -> None:
    world = running_world()
    feed = world.feed()
    feed.gaps["trade"] = feed.rejected["reason"] = 1
    feed.last_data_at = world.clock()
    world.state.publisher.dropped["reason", "trade"] = 1
    body, _ = MetricsPage(world.state, world.settings, world.history).render("")
    real = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(body.decode())
        if not family.name.startswith("marketprism_process_")
    }
    rows = document("docs/http.md").rows("metric")
    assert {
        spans(row["metric"])[0]: (row["type"], set(spans(row["labels"]))) for row in rows
    } == real


def fields_of(kind: Any) -> Iterator[str]:
    """The names of all fields of an answer, whatever they are nested in."""
    match kind:
        case inspect.StructType():
            for field in kind.fields:
                yield field.name
                yield from fields_of(field.type)
        case inspect.ListType():
            yield from fields_of(kind.item_type)


@pytest.mark.parametrize("answer", [Health, Readiness, Liveness, StatusPage, Connections])
def test_every_field_of_every_answer(answer: type[msgspec.Struct]) -> None:
    told = set(spans(document("docs/http.md").text))
    assert set(fields_of(inspect.type_info(answer))) - told == set()


def test_every_check_and_every_path() -> None:
    page = document("docs/http.md")
    checks = {re.sub(":.*", ":X", name) for name in said(running_world())}
    assert set(page.column("check")) == checks
    assert set(page.column("path")) == set(PATHS)


# Operating


def test_every_log_line_with_its_level_and_fields() -> None:
    real = {}
    for level, call in calls("debug", "info", "warning", "error", "exception"):
        event = call.args[0]
        assert isinstance(event, ast.Constant), ast.dump(call)
        real[event.value] = (level, {keyword.arg for keyword in call.keywords})
    rows = document("docs/operations.md").section("Log lines").rows("event")
    assert {
        spans(row["event"])[0]: (row["level"], set(spans(row["fields"]))) for row in rows
    } == real


def test_every_reason_to_reject_a_frame() -> None:
    reasons = {
        call.args[0].value
        for _, call in calls("Reject", "Unreadable", "UnreadableError")
        if isinstance(call.args[0], ast.Constant)
    }
    reasons |= {NOT_SUBSCRIBED, MALFORMED, UNKNOWN}
    reasons |= {f"snapshot failed: {kind.__name__}" for kind in FeedError.__subclasses__()}
    page = document("docs/operations.md").section("Rejected frames")
    assert set(page.column("reason")) == reasons


def test_every_reason_to_drop_a_message() -> None:
    reasons = {value for name, value in vars(outbox).items() if name.isupper() and name[0] != "_"}
    page = document("docs/operations.md").section("Dropped messages")
    assert set(page.column("reason")) == reasons


def test_every_state_and_every_class_of_failure() -> None:
    page = document("docs/operations.md")
    assert list(page.section("States of the process").column("phase")) == list(Phase)
    assert list(page.section("States of a feed").column("state")) == list(FeedStatus)
    assert list(page.section("States of the broker").column("state")) == list(BrokerStatus)
    failures = document("docs/architecture.md").section("Classes of failure").column("class")
    assert set(failures) == {kind.__name__ for kind in FeedError.__subclasses__()}
