"""A recording that is of several exchanges, as those of OKX are."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mprism.feeds.binance.market import SPOT, USDM
from mprism.feeds.binance.venue import BinanceVenue
from mprism.feeds.protocol import Request
from mprism.recording import RecordingError, read_recording
from mprism.replay import Replay
from mprism.schema import Trade
from mprism.settings import ExchangeSettings
from tests.unit.binance_payloads import aggregate, told, trade
from tests.unit.recording_lines import (
    INSTRUMENTS,
    TRADES,
    Line,
    header,
    opened,
    received,
    write,
)

AGGREGATES = "btcusdt@aggTrade"
USDM_INSTRUMENTS = INSTRUMENTS | {"url": "https://fapi.binance.com/fapi/v1/exchangeInfo"}
BOTH = [INSTRUMENTS, USDM_INSTRUMENTS, opened(TRADES, AGGREGATES)]
SPOT_TRADE = received(TRADES, trade(1))
USDM_TRADE = received(AGGREGATES, aggregate(7))


class Beside(BinanceVenue):
    """A market of an exchange whose recordings are of all of its markets."""

    @property
    def recorded_as(self) -> str:
        return "binance"


def replay_of(*lines: Line, folder: Path, venue: str = "binance") -> list[tuple[str, str]]:
    """The trades: exchange and id. There must be nothing else."""
    path = write(folder / "recording", [header(venue), *lines])
    replay = Replay([(Beside(market), ExchangeSettings()) for market in (SPOT, USDM)])
    actions = list(replay.run(read_recording(path)))
    trades = [action for action in actions if isinstance(action, Trade)]
    assert actions == trades
    return [(each.exchange, each.trade_id) for each in trades]


def test_each_frame_goes_to_the_exchange_that_has_its_stream(tmp_path: Path) -> None:
    told_of_both = [("binance_derivatives", "7"), ("binance_spot", "1")]
    assert replay_of(*BOTH, USDM_TRADE, SPOT_TRADE, folder=tmp_path) == told_of_both
    # Each has its own ids: the second trade is neither a gap nor a duplicate of the first.
    swapped = replay_of(*BOTH, SPOT_TRADE, USDM_TRADE, folder=tmp_path)
    assert swapped == told_of_both[::-1]


def test_the_name_of_one_exchange_is_of_that_one_alone(tmp_path: Path) -> None:
    lines = [INSTRUMENTS, USDM_INSTRUMENTS, opened(TRADES), SPOT_TRADE]
    told_of_one = [("binance_spot", "1")]
    assert replay_of(*lines, folder=tmp_path, venue="binance_spot") == told_of_one


def test_an_exchange_without_instruments_is_left_out(tmp_path: Path) -> None:
    lines = [USDM_INSTRUMENTS, opened(TRADES, AGGREGATES), USDM_TRADE]
    assert replay_of(*lines, folder=tmp_path) == [("binance_derivatives", "7")]
    with pytest.raises(RecordingError, match="a frame comes before the exchange's instrument"):
        replay_of(*lines[1:], folder=tmp_path)


def test_a_recording_of_neither_is_refused(tmp_path: Path) -> None:
    problem = "recorded from okx, not from binance_spot, binance_derivatives"
    with pytest.raises(RecordingError, match=problem):
        replay_of(folder=tmp_path, venue="okx")


class OneList(Beside):
    """A market whose instruments are in the same list as those of the others."""

    def instrument_requests(self, settings: ExchangeSettings) -> Sequence[Request]:
        return Beside(SPOT).instrument_requests(settings)


def test_one_list_of_instruments_can_be_of_several_exchanges(tmp_path: Path) -> None:
    lines = [header("binance"), INSTRUMENTS, opened(TRADES, AGGREGATES), USDM_TRADE, SPOT_TRADE]
    path = write(tmp_path / "recording", lines)
    replay = Replay([(venue, ExchangeSettings()) for venue in (Beside(SPOT), OneList(USDM))])
    assert told(replay.run(read_recording(path))) == ["trade 7", "trade 1"]
