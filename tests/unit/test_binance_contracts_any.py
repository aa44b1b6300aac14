"""No frame and no answer about contracts raises anything but a feed error."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mprism.feeds.binance.funding import Contracts
from mprism.feeds.binance.market import USDM
from mprism.feeds.binance.streams import subscriptions
from mprism.feeds.binance.venue import BINANCE_DERIVATIVES
from mprism.feeds.errors import NetworkFault
from mprism.feeds.protocol import Action, Continuity, Reject
from mprism.schema import Event, MessageEncoder, decode
from mprism.settings import DEFAULTS
from tests.unit.binance_contracts import (
    adjusted,
    force_order,
    mark_price,
    open_interest,
    premium_index,
    ratio,
)
from tests.unit.binance_payloads import (
    BTC_USDM,
    ETH_USDM,
    REASONS,
    RECV_NS,
    Socket,
    told,
    wrapped,
)

LISTED = {each.instrument_id: each for each in (BTC_USDM, ETH_USDM)}
SETTINGS = DEFAULTS["binance_derivatives"]
ALL = "!forceOrder@arr"

NUMBERS = st.sampled_from(
    [
        "",
        "0",
        "0.0",
        "-0",
        "1",
        "-1",
        "1e9",
        "1e-9",
        "1e40",
        "1e-40",
        "9" * 40,
        "NaN",
        "+1",
        "\u0661",
    ]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def changed(*bases: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """One of `bases` with a few values that are something else."""
    keys = sorted({key for base in bases for key in base})
    changes = st.dictionaries(st.sampled_from(keys), NUMBERS | ANY_JSON, max_size=3)
    return st.builds(lambda base, change: base | change, st.sampled_from(bases), changes)


ORDERS = changed(force_order()["o"]).map(lambda order: force_order() | {"o": order})
EVENTS = st.one_of(changed(mark_price()), ORDERS, changed(force_order()), ANY_JSON)
STREAMS = st.sampled_from(["btcusdt@markPrice@1s", "btcusdt@forceOrder", ALL])
ROWS = changed(open_interest(), premium_index(), ratio(), adjusted()) | ANY_JSON
BODIES = st.one_of(
    st.binary(),
    st.one_of(ROWS, st.lists(ROWS, max_size=4)).map(lambda body: json.dumps(body).encode()),
)


def check(actions: list[Action]) -> None:
    """Rejects have a known reason, and messages are what any reader can decode."""
    encoder = MessageEncoder()
    for action in actions:
        if isinstance(action, Event):
            message = encoder.encode(action)
            assert decode(message.payload) == action
            assert message.message_id.isascii()
            assert " " not in message.message_id
        else:
            assert isinstance(action, Reject)
            assert action.reason in REASONS


@given(st.lists(st.tuples(STREAMS, EVENTS), max_size=5))
def test_no_event_raises(events: list[tuple[str, object]]) -> None:
    streams = subscriptions(USDM, [BTC_USDM], ["funding_rate", "liquidation"])
    streams += subscriptions(USDM, [], ["liquidation"], "all")
    socket = Socket(USDM, streams=streams, contracts=Contracts(LISTED, {"BTCUSDT": 8}))
    socket.acknowledge()
    for stream, event in events:
        check(list(socket.receive(wrapped(stream, event))))
    # It goes on.
    assert told(socket.event("btcusdt@forceOrder", force_order(T=1, p="7")))


@given(st.lists(BODIES, max_size=5))
def test_no_answer_raises_anything_but_a_fault(bodies: list[bytes]) -> None:
    plan = BINANCE_DERIVATIVES.plan(SETTINGS, [BTC_USDM, ETH_USDM], LISTED)
    for poll in plan.polls:
        protocol = poll.make_protocol(Continuity(), {})
        for wanted in protocol.begin(RECV_NS):
            for body in bodies:
                with suppress(NetworkFault):
                    check(list(protocol.fetched(wanted.key, body, RECV_NS)))


@given(BODIES, BODIES)
def test_no_instrument_list_raises_anything_but_a_fault(listed: bytes, info: bytes) -> None:
    for bodies in ([listed], [listed, info], [b'{"symbols":[]}', info]):
        with suppress(NetworkFault):
            BINANCE_DERIVATIVES.parse_instruments(bodies)
