"""REST over real sockets: what is sent, and which failure each answer is."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from mprism.feeds.errors import FeedError, NetworkFault, Refused, Throttled
from mprism.feeds.protocol import Request
from mprism.feeds.rest import RestClient, open_rest
from mprism.feeds.weight import Budgets, Limit
from mprism.simulator.http import Answers, Response, serve_http
from mprism.simulator.http import Request as Asked

PATIENCE = 5.0


def budgets() -> Budgets:
    return Budgets({"weight": Limit(1_000), "books": Limit(1_000, 10.0)}, share=1.0)


@asynccontextmanager
async def client_of(
    serve: Callable[[trio.SocketStream], Awaitable[None]],
    timeout_seconds: float = PATIENCE,
    failure_of: Callable[[int, bytes], FeedError | None] = lambda status, body: None,
) -> AsyncIterator[RestClient]:
    """A client of a server that does `serve` with each connection."""
    async with trio.open_nursery() as nursery:
        listen = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        (listener,) = await nursery.start(listen)
        port = listener.socket.getsockname()[1]
        async with open_rest(
            f"http://127.0.0.1:{port}",
            budgets(),
            timeout_seconds=timeout_seconds,
            user_agent="mprism/1",
            failure_of=failure_of,
        ) as client:
            yield client
        nursery.cancel_scope.cancel()


def answering(
    *answers: Response, asked: list[Asked] | None = None
) -> Callable[..., Awaitable[None]]:
    """A server that gives these answers one after the other, the last one for ever."""
    waiting = list(answers)

    def respond(request: Asked) -> Response:
        if asked is not None:
            asked.append(request)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def serve(stream: trio.SocketStream) -> None:
        await serve_http(stream, respond, Answers())

    return serve


def saying(*parts: bytes, pause: float = 0.0) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """A server that says just this, whatever it is asked, and closes."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        for part in parts:
            try:
                await stream.send_all(part)
            except trio.BrokenResourceError:
                return
            await trio.sleep(pause)

    return serve


async def test_a_request_says_what_is_wanted_and_by_whom() -> None:
    asked: list[Asked] = []
    async with client_of(answering(Response(200, b"body"), asked=asked)) as client:
        request = Request("/api/v5/books", {"instId": "币安人生-USDT", "sz": 400})
        assert await client.get(request) == b"body"
        assert await client.get(Request("/time")) == b"body"
    named, plain = asked
    assert named.method == "GET"
    assert named.target == "/api/v5/books?instId=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9F-USDT&sz=400"
    assert named.headers["user-agent"] == "mprism/1"
    assert plain.target == "/time"


async def test_what_is_asked_for_is_spent_of_its_pool() -> None:
    used = [("X-MBX-USED-WEIGHT-1M", "700")]
    async with client_of(answering(Response(200, b""), Response(200, b"", used))) as client:
        await client.get(Request("/a", weight=30))
        assert client.budgets.of("weight").used == 30
        await client.get(Request("/a", {}, 7, "books:BTC"))
        assert client.budgets.of("books:BTC").used == 7
        # What an answer tells of the general limit is of that limit, whatever was asked.
        assert client.budgets.of("weight").used == 700


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, NetworkFault),
        (401, Refused),
        (403, Refused),
        (404, NetworkFault),
        (418, Throttled),
        (429, Throttled),
        (451, Refused),
        (500, NetworkFault),
        (503, NetworkFault),
    ],
)
async def test_each_status_has_its_class_and_the_body_is_noted(
    status: int, kind: type[FeedError]
) -> None:
    body = b'{"code":-1121,"msg":"Invalid symbol."}' + b" " * 500
    async with client_of(answering(Response(status, body))) as client:
        with pytest.raises(kind) as caught:
            await client.get(Request("/depth"))
    assert str(caught.value) == f"GET /depth: HTTP {status}"
    (note,) = caught.value.__notes__
    assert note.startswith('{"code":-1121,"msg":"Invalid symbol."}')
    assert len(note) == 200


async def test_a_wait_that_is_demanded_is_passed_on() -> None:
    answer = Response(429, b"", [("Retry-After", "17")])
    async with client_of(answering(answer)) as client:
        with pytest.raises(Throttled) as caught:
            await client.get(Request("/depth", {}, 1, "books:BTC"))
        assert caught.value.retry_after_seconds == 17
        assert client.budgets.of("books:BTC").resume_at > 0
        assert client.budgets.of("books:ETH").resume_at == 0


async def test_a_ban_is_for_every_pool() -> None:
    answer = Response(418, b"", [("Retry-After", "17")])
    async with client_of(answering(answer)) as client:
        with pytest.raises(Throttled):
            await client.get(Request("/depth", {}, 1, "books:BTC"))
        waits = {client.budgets.of(pool).resume_at for pool in ("books:BTC", "weight", "books:new")}
        assert len(waits) == 1
        assert waits.pop() > 0


async def test_a_failure_that_a_body_tells_goes_before_its_status() -> None:
    seen: list[tuple[int, bytes]] = []

    def failure_of(status: int, body: bytes) -> FeedError | None:
        seen.append((status, body))
        return {b"region": Refused("50119"), b"busy": Throttled("50011", 3.0)}.get(body)

    answers = [
        Response(200, b"region"),
        Response(500, b"busy"),
        Response(500, b"x"),
        Response(200, b"y"),
    ]
    async with client_of(answering(*answers), failure_of=failure_of) as client:
        with pytest.raises(Refused, match="50119"):
            await client.get(Request("/a"))
        with pytest.raises(Throttled, match="50011"):
            await client.get(Request("/a", {}, 1, "books"))
        with pytest.raises(NetworkFault, match="HTTP 500"):
            await client.get(Request("/a"))
        assert await client.get(Request("/a")) == b"y"
        assert client.budgets.of("books").resume_at > 0
        assert client.budgets.of("weight").resume_at == 0
    assert seen == [(200, b"region"), (500, b"busy"), (500, b"x"), (200, b"y")]


async def test_redirects_are_not_followed() -> None:
    """They lead to another host or a login page, neither of which is the exchange."""
    asked: list[Asked] = []
    answer = Response(302, b"", [("Location", "/elsewhere")])
    async with client_of(answering(answer, asked=asked)) as client:
        assert await client.get(Request("/a")) == b""
    assert [request.target for request in asked] == ["/a"]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with client_of(answering(Response(200, b"direct"))) as client:
        assert await client.get(Request("/a")) == b"direct"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
        HEAD + b"\r\nonly a part",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_an_answer_that_is_none_is_a_fault(said: bytes) -> None:
    async with client_of(saying(said)) as client:
        with pytest.raises(NetworkFault, match="GET /a: "):
            await client.get(Request("/a"))


async def test_nobody_there_is_a_fault() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with open_rest(url, budgets(), timeout_seconds=PATIENCE, user_agent="x") as client:
            with pytest.raises(NetworkFault, match="GET /a: ConnectError"):
                await client.get(Request("/a"))


async def test_an_answer_that_trickles_is_a_fault_in_its_time() -> None:
    """No pause of it is long: only all of it together is."""
    trickle = saying(HEAD + b"\r\n", *[b"x"] * 99, pause=0.05)
    async with client_of(trickle, timeout_seconds=0.3) as client:
        with pytest.raises(NetworkFault, match=r"GET /a: no whole answer within 0\.3 s"):
            await client.get(Request("/a"))


async def test_packed_answers_are_unpacked() -> None:
    headers = [("Content-Encoding", "gzip")]
    async with client_of(answering(Response(200, gzip.compress(b"x" * 1_000), headers))) as client:
        assert await client.get(Request("/a")) == b"x" * 1_000


async def test_a_body_that_names_nonsense_as_its_character_set_is_noted() -> None:
    head = b"HTTP/1.1 403 No\r\nContent-Type: text/html; charset=klingon\r\nContent-Length: 3\r\n"
    async with client_of(saying(head + b"\r\n\xff\xfeX")) as client:
        with pytest.raises(Refused) as caught:
            await client.get(Request("/a"))
    assert caught.value.__notes__ == ["\ufffd\ufffdX"]
