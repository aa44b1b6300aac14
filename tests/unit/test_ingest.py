"""Writing bursts and reading acknowledgements; the answers are what real servers sent."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mprism.nursery.ingest import Answer, FastIngest, Ingest, MessageAcks, Outcome

INBOX = "_INBOX.abc"


def answer(reply: str, payload: str = "", status: str | None = None) -> Answer:
    return Answer(reply.removeprefix(f"{INBOX}."), status, payload.encode())


class Burst:
    """One burst of `count` messages, written by `ingest`."""

    def __init__(self, ingest: Ingest, number: int = 7, count: int = 3) -> None:
        self.ingest = ingest
        self.number = number
        self.replies = list(ingest.replies(number, count))

    def answered(self, place: int, payload: str, status: str | None = None) -> Outcome | None:
        """To the message at `place`, from 1."""
        return self.ingest.receive(answer(self.replies[place - 1], payload, status))


@pytest.fixture
def fast() -> FastIngest:
    return FastIngest(INBOX, "tok")


@pytest.fixture
def single() -> MessageAcks:
    return MessageAcks(INBOX)


class TestFastIngest:
    def test_a_batch_starts_goes_on_and_commits(self, fast: FastIngest) -> None:
        prefix = f"{INBOX}.tok-7.10000.fail"
        assert Burst(fast).replies == [
            f"{prefix}.1.0.$FI",
            f"{prefix}.2.1.$FI",
            f"{prefix}.3.2.$FI",
        ]

    def test_a_batch_of_one_is_committed_at_once(self, fast: FastIngest) -> None:
        assert Burst(fast, count=1).replies == [f"{INBOX}.tok-7.10000.fail.1.2.$FI"]

    def test_the_commit_is_what_counts(self, fast: FastIngest) -> None:
        burst = Burst(fast)
        assert burst.answered(1, '{"type":"ack","seq":0,"msgs":500}') is None
        ack = '{"stream":"S","seq":13,"batch":"tok-7","count":3}'
        assert burst.answered(3, ack) == Outcome(7, None, 13)

    def test_a_single_duplicate_is_told(self, fast: FastIngest) -> None:
        ack = '{"stream":"S","seq":1,"duplicate": true,"batch":"b7","count":1}'
        assert Burst(fast, count=1).answered(1, ack) == Outcome(7, None, 1, 1)

    def test_a_batch_that_was_given_up_looks_like_a_short_one(self, fast: FastIngest) -> None:
        burst = Burst(fast, count=4)
        assert burst.answered(3, '{"type":"gap","last_seq":2,"seq":3}') is None
        short = '{"stream":"S","seq":12,"batch":"tok-7","count":1}'
        assert burst.answered(3, short) == Outcome(
            7, "1 of 4 stored: messages were lost on the way"
        )
        unknown = '{"error":{"code":400,"err_code":10208,"description":"batch publish ID unknown"}}'
        assert burst.answered(4, unknown) is None, "a batch has one outcome"

    def test_a_refused_message_ends_its_batch_with_the_reason(self, fast: FastIngest) -> None:
        burst = Burst(fast)
        why = '{"type":"err","seq":2,"error":{"code":400,"err_code":10071,"description":"wrong"}}'
        assert burst.answered(2, why) is None
        short = '{"stream":"S","seq":14,"batch":"tok-7","count":1}'
        outcome = burst.answered(2, short)
        assert outcome == Outcome(7, "1 of 3 stored: wrong (code 400, err_code 10071)")

    def test_a_refused_batch_has_failed(self, fast: FastIngest) -> None:
        off = '{"error":{"code":400,"err_code":10205,"description":"batch publish is disabled"}}'
        outcome = Burst(fast).answered(1, off)
        assert outcome == Outcome(7, "batch publish is disabled (code 400, err_code 10205)")

    def test_two_batches_do_not_mix(self, fast: FastIngest) -> None:
        one, two = Burst(fast, 1, 2), Burst(fast, 2, 3)
        ack = '{"stream":"S","seq":5,"batch":"x","count":%d}'
        assert two.answered(3, ack % 3) == Outcome(2, None, 5)
        assert one.answered(2, ack % 2) == Outcome(1, None, 5)

    def test_every_batch_of_a_connection_has_its_own_id(self, fast: FastIngest) -> None:
        ids = [Burst(fast, number).replies[0].split(".")[2] for number in (1, 2, 12)]
        assert ids == ["tok-1", "tok-2", "tok-12"]


class TestMessageAcks:
    def test_a_burst_is_done_with_its_last_acknowledgement(self, single: MessageAcks) -> None:
        burst = Burst(single)
        assert burst.replies == [f"{INBOX}.7.1", f"{INBOX}.7.2", f"{INBOX}.7.3"]
        assert burst.answered(1, '{"stream":"S", "seq":1}') is None
        assert burst.answered(2, '{"stream":"S", "seq":1,"duplicate": true}') is None
        assert burst.answered(3, '{"stream":"S", "seq":2}') == Outcome(7, None, 2, 1)

    def test_one_refused_message_fails_the_burst_once(self, single: MessageAcks) -> None:
        burst = Burst(single)
        why = '{"error":{"code":503,"err_code":10077,"description":"full"},"stream":"S","seq":0}'
        assert burst.answered(2, why) == Outcome(7, "full (code 503, err_code 10077)")
        assert burst.answered(1, '{"stream":"S", "seq":1}') is None
        assert burst.answered(3, why) is None


@pytest.mark.parametrize("ingest", [FastIngest(INBOX, "tok"), MessageAcks(INBOX)])
def test_nobody_listening_fails_the_burst(ingest: Ingest) -> None:
    outcome = Burst(ingest).answered(1, "", status="503")
    assert outcome == Outcome(7, "no stream listens on the subject")


@pytest.mark.parametrize("ingest", [FastIngest(INBOX, "tok"), MessageAcks(INBOX)])
def test_answers_to_bursts_of_nobody_are_ignored(ingest: Ingest) -> None:
    stray = Burst(
        FastIngest(INBOX, "tok") if isinstance(ingest, FastIngest) else MessageAcks(INBOX)
    )
    assert ingest.receive(answer(stray.replies[0], '{"seq":1}')) is None


@given(payload=st.binary(max_size=60), suffix=st.text(max_size=20), fast=st.booleans())
def test_nonsense_raises_only_what_is_declared(payload: bytes, suffix: str, fast: bool) -> None:
    ingest: Ingest = FastIngest(INBOX, "tok") if fast else MessageAcks(INBOX)
    known = Burst(ingest).replies[0].removeprefix(f"{INBOX}.")
    for where in (known, suffix):
        try:
            ingest.receive(Answer(where, None, payload))
        except (msgspec.DecodeError, ValueError):
            continue
