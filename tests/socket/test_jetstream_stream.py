"""Streams are made ready without losing what they hold."""

from pathlib import Path
from typing import Any

import pytest

from mprism.nursery import stream as stream_module
from mprism.nursery.broker import BrokerAway, BrokerRefused
from mprism.nursery.stream import (
    call_api,
    ensure_stream,
    stream_info,
)
from mprism.nursery.stream_config import wanted_config
from mprism.settings import StreamSettings
from tests.socket.nats_fixture import CURRENT, both_servers, open_nats
from tests.socket.streaming import SETTINGS, connected


async def test_a_server_without_jetstream_says_so(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text("jetstream: disabled")
    async with (
        open_nats(tmp_path, arguments=("--config", str(config), "--jetstream=false")) as server,
        connected(server) as connection,
    ):
        with pytest.raises(BrokerAway, match="JetStream is not enabled"):
            await stream_info(connection, "MARKET_DATA")


@both_servers
async def test_a_stream_is_created_once_and_then_left_alone(tmp_path: Path, binary: Path) -> None:
    async with open_nats(tmp_path, binary) as server, connected(server) as connection:
        assert await stream_info(connection, "MARKET_DATA") is None
        made = await ensure_stream(connection, SETTINGS)
        assert made.takes_batches is (binary == CURRENT)
        again = await ensure_stream(connection, SETTINGS)
        assert again.config == made.config


@both_servers
async def test_a_stream_of_somebody_s_is_changed_without_losing_anything(
    tmp_path: Path, binary: Path
) -> None:
    async with open_nats(tmp_path, binary) as server, connected(server) as connection:
        theirs: dict[str, Any] = {"name": "MARKET_DATA", "subjects": ["trade-data.>"]}
        theirs |= {"max_msgs_per_subject": 1_000, "max_age": 10**12, "description": "theirs"}
        await call_api(connection, "STREAM.CREATE.MARKET_DATA", theirs)
        await connection.publish([("trade-data.a", b"theirs", "", None)])
        wanted = StreamSettings(max_messages=500, max_age_seconds=86_400)
        info = await ensure_stream(connection, wanted)
        config = info.config
        assert (config["max_msgs"], config["max_age"]) == (500, 86_400 * 10**9)
        assert (config["max_msgs_per_subject"], config["description"]) == (1_000, "theirs")
        assert "lsr-data.>" in config["subjects"]
        assert info.takes_batches is (binary == CURRENT)
        assert info.state.messages == 1


@both_servers
async def test_a_stream_of_another_kind_is_refused_with_both_values(
    tmp_path: Path, binary: Path
) -> None:
    async with open_nats(tmp_path, binary) as server, connected(server) as connection:
        theirs: dict[str, Any] = {"name": "MARKET_DATA", "subjects": ["a.>"], "storage": "memory"}
        await call_api(connection, "STREAM.CREATE.MARKET_DATA", theirs)
        with pytest.raises(BrokerRefused, match="storage is 'memory' and should be 'file'"):
            await ensure_stream(connection, SETTINGS)
        info = await stream_info(connection, "MARKET_DATA")
        assert info is not None
        assert info.config["subjects"] == ["a.>"]


async def test_subjects_of_another_stream_are_refused(tmp_path: Path) -> None:
    async with open_nats(tmp_path) as server, connected(server) as connection:
        other = {"name": "OTHER", "subjects": ["trade-data.>"]}
        await call_api(connection, "STREAM.CREATE.OTHER", other)
        with pytest.raises(BrokerRefused, match="subjects overlap"):
            await ensure_stream(connection, SETTINGS)


async def test_a_server_that_refuses_the_field_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers between 2.10 and 2.14 refuse fields that they do not know."""
    odd = {**wanted_config(SETTINGS), "allow_batched": "not a bool"}
    monkeypatch.setattr(stream_module, "wanted_config", lambda settings: odd)
    async with open_nats(tmp_path) as server, connected(server) as connection:
        info = await ensure_stream(connection, SETTINGS)
        assert not info.takes_batches
