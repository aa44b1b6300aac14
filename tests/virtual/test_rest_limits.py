"""Requests of one exchange wait for what they need, and for nothing else, at exact times."""

from collections import defaultdict

import httpx
import pytest
import trio
from trio.testing import MockClock

from mprism.feeds.errors import FeedError, NetworkFault, Throttled
from mprism.feeds.protocol import Request
from mprism.feeds.rest import RestClient
from mprism.feeds.weight import Budgets, Limit

from .scripted_poll import clock

LIMITS = {"weight": Limit(20), "books": Limit(4, 10.0)}  # of which half is ours
RESERVE = 0.4


def body_failure(status: int, body: bytes) -> FeedError | None:
    """As exchanges tell failures that answer 200."""
    return Throttled("50011: too many requests", 9.0) if body == b"slow down" else None


class Exchange:
    """Answers after `seconds`: 200, unless something else is to be said next."""

    def __init__(self, *answers: httpx.Response | httpx.HTTPError, seconds: float = 0.0) -> None:
        self._answers = list(answers)
        self._seconds = seconds
        self.arrived: dict[str, list[float]] = defaultdict(list)
        self.failures: list[tuple[float, str]] = []
        self.at_once = self.most_at_once = 0
        self.budgets = Budgets(LIMITS, share=0.5)
        self.client = self._new_client()

    def _new_client(self) -> RestClient:
        transport = httpx.MockTransport(self._answer)
        client = httpx.AsyncClient(transport=transport, base_url="http://exchange.test")
        return RestClient(client, self.budgets, 1_000.0, body_failure, clock)

    def beside(self) -> RestClient:
        """The client of another exchange at the same host."""
        return self._new_client()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.arrived[request.url.path].append(round(trio.current_time(), 3))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await trio.sleep(self._seconds)
        self.at_once -= 1
        answer = self._answers.pop(0) if self._answers else httpx.Response(200)
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    async def get(
        self,
        path: str,
        weight: int = 1,
        pool: str = "weight",
        reserve: float = 0.0,
        client: RestClient | None = None,
    ) -> None:
        """Ask, and note a failure."""
        try:
            await (client or self.client).get(Request(path, {}, weight, pool), reserve)
        except FeedError as failure:
            self.failures.append((round(trio.current_time(), 3), type(failure).__name__))


async def test_who_waits_for_a_budget_does_not_keep_others_from_theirs(
    autojump_clock: MockClock,
) -> None:
    it = Exchange()
    await it.get("/used", 8)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(it.get, "/weight", 3)
        await trio.sleep(1)
        for _ in range(3):
            await it.get("/books", 1, "books")
    assert it.arrived == {"/used": [0], "/books": [1, 1, 10], "/weight": [60, 60, 60]}


async def test_each_key_of_a_pool_has_its_own_budget(autojump_clock: MockClock) -> None:
    it = Exchange()
    for _ in range(3):
        await it.get("/btc", 1, "books:BTC")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.get, "/btc", 2, "books:BTC")
        nursery.start_soon(it.get, "/eth", 2, "books:ETH")
    assert it.arrived == {"/btc": [0, 0, 10, 20], "/eth": [10]}


async def test_a_snapshot_goes_while_polls_wait(autojump_clock: MockClock) -> None:
    it = Exchange()
    await it.get("/poll", 6, reserve=RESERVE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.get, "/poll", 1, "weight", RESERVE)
        await trio.sleep(5)
        # The four that were kept from the polls.
        await it.get("/snapshot", 4)
        await it.get("/snapshot", 1)
    assert it.arrived == {"/poll": [0, 60], "/snapshot": [5, 60]}


async def test_429_stops_its_pool_alone(autojump_clock: MockClock) -> None:
    it = Exchange(httpx.Response(429, headers={"retry-after": "30"}))
    await it.get("/books", 1, "books:BTC")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.get, "/books", 1, "books:BTC")
        nursery.start_soon(it.get, "/other", 1, "books:ETH")
        nursery.start_soon(it.get, "/weight")
    assert it.failures == [(0, "Throttled")]
    assert it.arrived == {"/books": [0, 30], "/other": [0], "/weight": [0]}


async def test_418_stops_every_request_until_it_ends(autojump_clock: MockClock) -> None:
    it = Exchange(httpx.Response(418, headers={"retry-after": "120"}))
    beside = it.beside()
    await it.get("/books", 1, "books:BTC")
    await trio.sleep(7)
    async with trio.open_nursery() as nursery:
        for number, (pool, client) in enumerate(
            [
                ("weight", it.client),
                ("books:BTC", it.client),
                ("books:new", it.client),
                ("weight", beside),
                ("books", beside),
            ]
        ):
            nursery.start_soon(it.get, f"/{number}", 1, pool, 0.0, client)
    assert it.failures == [(0, "Throttled")]
    assert it.arrived.pop("/books") == [0]
    assert it.arrived == {f"/{number}": [120] for number in range(5)}


async def test_a_body_that_says_to_wait_stops_its_pool(autojump_clock: MockClock) -> None:
    it = Exchange(httpx.Response(200, content=b"slow down"))
    await it.get("/books", 1, "books")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.get, "/books", 1, "books")
        nursery.start_soon(it.get, "/weight")
    assert it.failures == [(0, "Throttled")]
    assert it.arrived == {"/books": [0, 9], "/weight": [0]}


async def test_no_more_than_two_requests_are_out_at_once(autojump_clock: MockClock) -> None:
    it = Exchange(seconds=3.0)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(it.get, "/a")
    assert it.most_at_once == 2
    assert it.arrived["/a"] == [0, 0, 3, 3, 6]


async def test_who_waits_for_a_turn_learns_of_a_ban(autojump_clock: MockClock) -> None:
    """Nothing goes out after the answer that says so."""
    bans = [httpx.Response(418, headers={"retry-after": "100"}) for _ in range(2)]
    it = Exchange(*bans, seconds=3.0)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(it.get, "/a")
    assert it.failures == [(3, "Throttled"), (3, "Throttled")]
    assert it.arrived["/a"] == [0, 0, 103, 103, 106]


async def test_what_others_use_up_of_the_window_counts(autojump_clock: MockClock) -> None:
    """As the exchange tells in each answer."""
    it = Exchange(httpx.Response(200, headers={"x-mbx-used-weight-1m": "9"}))
    await it.get("/a")
    await it.get("/b")
    await it.get("/b")
    assert it.arrived == {"/a": [0], "/b": [0, 60]}


async def test_a_poll_that_waits_for_a_turn_leaves_the_reserve_alone(
    autojump_clock: MockClock,
) -> None:
    used = [httpx.Response(200, headers={"x-mbx-used-weight-1m": "7"}) for _ in range(2)]
    it = Exchange(*used, seconds=3.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.get, "/a")
        nursery.start_soon(it.get, "/a")
        await trio.sleep(1)
        nursery.start_soon(it.get, "/poll", 1, "weight", RESERVE)
        await trio.sleep(1)
        nursery.start_soon(it.get, "/snapshot")
    assert it.arrived == {"/a": [0, 0], "/snapshot": [3], "/poll": [60]}


@pytest.mark.parametrize("told", ["", "-1", "9.5", "many", "9" * 10])
async def test_a_count_that_makes_no_sense_is_not_used(
    autojump_clock: MockClock, told: str
) -> None:
    headers = [(b"x-mbx-used-weight-1m", told.encode())]
    it = Exchange(httpx.Response(200, headers=headers))
    await it.get("/a")
    await it.get("/b", 9)
    assert it.arrived == {"/a": [0], "/b": [0]}


async def test_a_limit_that_is_told_at_run_time_holds_from_then_on(
    autojump_clock: MockClock,
) -> None:
    it = Exchange()
    await it.get("/a", 2)
    it.budgets.set_limit("weight", Limit(6, 60.0))
    await it.get("/a", 1)
    await it.get("/a", 1)
    it.budgets.set_limit("weight", Limit(2_000, 60.0))
    await it.get("/b", 900)
    assert it.arrived == {"/a": [0, 0, 60], "/b": [60]}


async def test_a_steady_stream_of_requests_never_exceeds_our_share(
    autojump_clock: MockClock,
) -> None:
    it = Exchange(seconds=0.1)
    with trio.move_on_after(299):
        while True:
            await it.get("/a", 2)
    by_window: dict[int, int] = defaultdict(int)
    for at in it.arrived["/a"]:
        by_window[int(at // 60)] += 2
    assert set(by_window.values()) == {10}
    assert len(by_window) == 5


async def test_an_answer_that_takes_too_long_is_a_fault(autojump_clock: MockClock) -> None:
    it = Exchange(seconds=50.0)
    client = it.client
    client._timeout_seconds = 5.0
    with pytest.raises(NetworkFault, match=r"GET /a: no whole answer within 5 s"):
        await client.get(Request("/a"))
    assert trio.current_time() == 5


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("no HTTP"),
        httpx.DecodingError("no gzip"),
    ],
)
async def test_whatever_happens_on_the_way_is_a_fault_and_gives_the_turn_back(
    autojump_clock: MockClock, error: httpx.HTTPError
) -> None:
    it = Exchange(*[error] * 3)
    for _ in range(3):
        with pytest.raises(NetworkFault, match=f"GET /a: {type(error).__name__} {error}"):
            await it.client.get(Request("/a"))
    await it.get("/a")
    assert it.arrived["/a"] == [0] * 4
