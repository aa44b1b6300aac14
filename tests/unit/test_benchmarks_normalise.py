"""The cost of a message is measured only where the collector takes everything as it should."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from benchmarks import normalise
from benchmarks.normalise import SIMULATORS, measure
from mprism.feeds.registry import VENUES
from mprism.settings import OFFERED, ExchangeName
from mprism.simulator import AnySimulator
from mprism.simulator.faults import ServerError
from mprism.simulator.http import Request, Response
from mprism.simulator.wire import Publication

Change = Callable[[AnySimulator], None]


def simulate(monkeypatch: pytest.MonkeyPatch, name: ExchangeName, change: Change) -> None:
    """Let the benchmark meet an exchange that was changed."""
    opened = SIMULATORS[name]

    @asynccontextmanager
    async def open_changed(**options: Any) -> AsyncIterator[AnySimulator]:
        async with opened(**options) as simulator:
            change(simulator)
            yield simulator

    monkeypatch.setitem(normalise.SIMULATORS, name, open_changed)


def published(change: Callable[[int, Publication], Iterable[Publication]]) -> Change:
    """An exchange that publishes something else. Publications are numbered by their stream."""

    def publish(simulator: AnySimulator) -> None:
        advance = simulator.market.advance
        numbers: dict[str, int] = {}

        def changed(until_us: int) -> Iterable[Publication]:
            for publication in advance(until_us):
                numbers[publication.stream] = numbers.get(publication.stream, 0) + 1
                yield from change(numbers[publication.stream], publication)

        simulator.market.advance = changed  # type: ignore[method-assign]

    return publish


def without(kind: str, number: int | None = None) -> Change:
    """Streams of this kind without one of their publications, or without any."""
    return published(
        lambda n, publication: (
            [] if kind in publication.stream and number in (None, n) else [publication]
        )
    )


@pytest.mark.parametrize("name", VENUES)
def test_every_data_type_of_an_exchange_is_measured(name: ExchangeName) -> None:
    costs, misread = measure([name])
    assert misread == []
    assert {cost.exchange for cost in costs} == {name}
    kinds = {kind.partition(" ")[0] for cost in costs for kind in cost.kind.split(", ")}
    assert kinds - {"no", "of"} == set(OFFERED[name])
    assert {"orderbook update", "orderbook update, orderbook snapshot"} <= {
        cost.kind for cost in costs
    }
    assert all(cost.messages and cost.characters and cost.us > 0 for cost in costs)


@pytest.mark.parametrize("name", ["binance_derivatives", "deribit_derivatives"])
def test_every_run_has_the_same_messages(name: ExchangeName) -> None:
    first, second = (
        [(cost.carrier, cost.kind, cost.messages, cost.characters) for cost in measure([name])[0]]
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("binance_spot", "@depth@100ms", "BookState"),
        ("binance_spot", "@trade", "Gap"),
        ("binance_derivatives", "@aggTrade", "Gap"),
        ("okx_spot", "books:", "BookState"),
        ("deribit_derivatives", "book.", "BookState"),
        ("deribit_derivatives", "trades.", "Gap"),
    ],
)
def test_an_exchange_that_loses_a_message_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, name: ExchangeName, kind: str, problem: str
) -> None:
    simulate(monkeypatch, name, without(kind, 5))
    costs, misread = measure([name])
    assert costs == []
    (words,) = misread
    assert words.startswith(f"{name}: ")
    assert problem in words


def test_one_exchange_that_is_misread_leaves_the_others_their_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulate(monkeypatch, "binance_spot", without("@trade", 5))
    costs, misread = measure(["binance_spot", "okx_spot"])
    assert {cost.exchange for cost in costs} == {"okx_spot"}
    assert len(misread) == 1


def test_a_frame_that_is_rejected_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_one(n: int, publication: Publication) -> Iterable[Publication]:
        is_broken = n == 5 and publication.stream.endswith("@trade")
        return [Publication(publication.stream, lambda _: b"{") if is_broken else publication]

    simulate(monkeypatch, "binance_spot", published(break_one))
    assert "Reject" in measure(["binance_spot"])[1][0]


def test_a_data_type_that_never_came_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, "binance_derivatives", without("forceOrder"))
    assert measure(["binance_derivatives"])[1] == ["binance_derivatives: there was no liquidation"]


def test_a_book_that_never_began_is_told() -> None:
    (words,) = measure(["binance_spot"], seconds=0)[1]
    assert "the book of BTC-USDT is waiting for its first snapshot" in words


def test_an_answer_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = ServerError(count=1)
    simulate(monkeypatch, "okx_spot", lambda simulator: simulator.rest.inject(fault))
    (words,) = measure(["okx_spot"])[1]
    assert words.startswith("okx_spot: GET /api/v5/")
    assert words.endswith("was answered 503")


def test_a_stream_that_is_not_acknowledged_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def ignore(simulator: AnySimulator) -> None:
        admit = simulator.admit

        def deaf(target: str) -> Any:
            session: Any = admit(target)
            session.receive = lambda text: ()
            return session

        simulator.admit = deaf  # type: ignore[method-assign]

    simulate(monkeypatch, "okx_spot", ignore)
    assert "was not acknowledged" in measure(["okx_spot"])[1][0]


def test_a_question_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that is older than every event is asked for again and again."""

    def answer_with_the_past(simulator: AnySimulator) -> None:
        respond = simulator.rest.respond

        def old(request: Request) -> Response:
            if "depth" in request.target:
                return Response(200, b'{"lastUpdateId":1,"bids":[],"asks":[]}')
            return respond(request)

        simulator.rest.respond = old  # type: ignore[method-assign]

    simulate(monkeypatch, "binance_spot", answer_with_the_past)
    assert measure(["binance_spot"])[1] == ["binance_spot: stream-1: asks on and on"]
