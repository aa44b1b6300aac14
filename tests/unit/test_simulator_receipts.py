"""Which trades count as read, and what a trade's outcome is when connections differ."""

import pytest

from mprism.simulator.instrument import Grid, Instrument
from mprism.simulator.receipts import Receipts
from mprism.simulator.tape import Outcome, Tape

INSTRUMENT = Instrument("BTCUSDT", "BTC", "USDT", Grid(2, 10), Grid(3), 1_000, 10)


def tape_of(count: int) -> Tape:
    tape = Tape(INSTRUMENT, "trade", 500)
    for n in range(count):
        tape.append(1_000 + n, 5, n % 2 == 0, 1_000_000 * n)
    return tape


def outcomes(tape: Tape) -> list[Outcome]:
    return [record.outcome for record in tape.records()]


@pytest.mark.parametrize("worse", [Outcome.LOST, Outcome.SILENCED, Outcome.MALFORMED])
def test_the_connection_on_which_a_trade_got_furthest_counts(worse: Outcome) -> None:
    tape = tape_of(2)
    for first, second in ((Outcome.SENT, worse), (worse, Outcome.SENT)):
        index = int(first is worse)
        tape.note(index, first)
        tape.note(index, second)
    assert outcomes(tape) == [Outcome.SENT, Outcome.SENT]


def test_a_pong_confirms_exactly_what_was_sent_before_its_ping() -> None:
    tape, receipts = tape_of(6), Receipts()
    for index, outcome in enumerate((Outcome.SENT, Outcome.LOST, Outcome.SENT, Outcome.SENT)):
        receipts.note(tape, index, outcome)
    payload, receipt = receipts.ping(1_000)
    receipts.note(tape, 4, Outcome.SENT)
    assert tape.count(Outcome.CONFIRMED) == 0
    assert receipts.pong(payload)
    assert receipt.confirmed
    assert receipt.settled.is_set()
    confirmed = Outcome.CONFIRMED
    assert outcomes(tape) == [
        confirmed,
        Outcome.LOST,
        confirmed,
        confirmed,
        Outcome.SENT,
        Outcome.UNSUBSCRIBED,
    ]
    assert [record.trade_id for record in tape.records(confirmed)] == [500, 502, 503]


def test_a_pong_answers_the_older_pings_too_and_no_newer_one() -> None:
    tape, receipts = tape_of(3), Receipts()
    pings = []
    for index in range(3):
        receipts.note(tape, index, Outcome.SENT)
        pings.append(receipts.ping(7))
    assert len({payload for payload, _ in pings}) == 3
    assert receipts.pong(pings[1][0])
    assert [receipt.confirmed for _, receipt in pings] == [True, True, False]
    assert outcomes(tape) == [Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.SENT]
    assert not receipts.pong(pings[0][0])
    assert not receipts.pong(b"never sent")


def test_the_end_of_a_connection_settles_its_pings_without_confirming() -> None:
    tape, receipts = tape_of(1), Receipts()
    receipts.note(tape, 0, Outcome.SENT)
    _, receipt = receipts.ping(7)
    receipts.abandon()
    assert receipt.settled.is_set()
    assert not receipt.confirmed
    assert outcomes(tape) == [Outcome.SENT]


def test_a_record_has_what_was_appended() -> None:
    tape = Tape(INSTRUMENT, "aggTrade", 10)
    tape.append(1_234, 5, True, 1_500, covers=(90, 95))
    (record,) = tape.records()
    assert (record.trade_id, record.price, record.quantity) == (10, "123.40", "0.005")
    assert (record.first_id, record.last_id, record.time_us) == (90, 95, 1_500)
    assert (record.buyer_is_maker, record.execution) == (True, "MARKET")
    assert tape.count(Outcome.UNSUBSCRIBED) == 1


@pytest.mark.parametrize(
    ("grid", "count", "text"),
    [
        (Grid(8, 10_000), 3_521, "0.35210000"),
        (Grid(0), 161, "161"),
        (Grid(3), 0, "0.000"),
        (Grid(4, 10), 7_611, "7.6110"),
        (Grid(8), 6_547, "0.00006547"),
    ],
)
def test_decimals_are_written_as_the_exchanges_do(grid: Grid, count: int, text: str) -> None:
    assert grid.text(count) == text
