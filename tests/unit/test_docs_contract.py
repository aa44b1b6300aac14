"""The pages on messages, recordings and exchanges say what the code does."""

import json
from types import NoneType
from typing import get_args

import msgspec
import pytest

from mprism.recording import Record
from mprism.schema import DATA_TYPES, STREAM_SUBJECTS, Event, MessageEncoder, decode, subject_of
from mprism.schema.message import AnyEvent
from mprism.settings import OFFERED, ExchangeName
from tests.unit.documents import document, spans


@pytest.mark.parametrize("kind", get_args(AnyEvent))
def test_every_field_of_every_message(kind: type[Event]) -> None:
    page = document("docs/contract.md")
    common = list(page.section("Common fields").column("field"))
    own = list(page.section(f"`{kind.data_type}`").column("field"))
    fields = {name: field for name, field in kind.__annotations__.items() if name != "data_type"}
    assert own == list(fields)
    assert {*common, *own} == {*kind.__struct_fields__, "data_type"}
    types = page.section(f"`{kind.data_type}`").column("field", "type")
    assert {name for name, told in types.items() if told.endswith("or null")} == {
        name for name, hint in fields.items() if NoneType in get_args(hint)
    }


@pytest.mark.parametrize("name", ["README.md", "docs/contract.md"])
def test_every_data_type_of_every_exchange(name: str) -> None:
    rows = document(name).rows("data type")
    for exchange, offered in OFFERED.items():
        told = [row["data type"] for row in rows if row.get(f"`{exchange}`")]
        assert [spans(data_type)[0] for data_type in told] == list(offered)


def test_every_subject() -> None:
    page = document("docs/contract.md").section("Subjects")
    subjects = page.column("data type", "subject")
    assert list(subjects) == list(DATA_TYPES)
    for data_type, subject in subjects.items():
        for name in ("exchange", "market", "symbol"):
            subject = subject.replace(f"{{{name}}}", name.upper())
        assert spans(subject) == [subject_of(data_type, "EXCHANGE", "MARKET", "SYMBOL")]
    assert set(STREAM_SUBJECTS) <= set(spans(document("docs/contract.md").section("Stream").text))


def test_every_exchange_has_its_configuration_and_is_named() -> None:
    names = spans(document("docs/contract.md").rows("name")[0]["values today"])
    assert names == list(get_args(ExchangeName))


@pytest.mark.parametrize("name", ["README.md", "docs/contract.md"])
def test_examples_are_messages(name: str) -> None:
    page = document(name)
    told = set()
    for example in page.blocks("json"):
        event = decode(example.encode())
        message = MessageEncoder().encode(event)
        assert json.loads(message.payload) == json.loads(example)
        if name == "docs/contract.md" or event.data_type == "trade":
            assert {message.message_id, message.route.subject} <= set(spans(page.text))
        told.add(event.data_type)
    assert told == ({*DATA_TYPES} if name == "docs/contract.md" else {"trade", "orderbook"})


def test_every_kind_of_record() -> None:
    told = {
        spans(row["kind"])[0]: spans(row["fields"])
        for row in document("docs/recordings.md").rows("kind")
    }
    kinds = get_args(Record)
    assert told == {
        kind.__struct_config__.tag: list(kind.__struct_encode_fields__) for kind in kinds
    }
    for line in document("docs/recordings.md").blocks("json")[0].splitlines():
        msgspec.json.decode(line, type=Record)
