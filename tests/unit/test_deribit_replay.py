"""A recording of Deribit through the same protocols."""

from pathlib import Path
from typing import Any

from mprism.feeds.deribit.venue import DERIBIT
from mprism.recording import read_recording
from mprism.replay import Replay
from mprism.schema import Event
from mprism.settings import ExchangeSettings
from tests.unit.deribit_payloads import (
    TIME_MS,
    answer,
    book_change,
    book_snapshot,
    encode,
    pushed,
    raw,
    ticker,
    trade,
)
from tests.unit.recording_lines import Line, header, opened, sent, write
from tests.unit.test_deribit_instruments import LINEAR, listed
from tests.unit.test_deribit_volatility import BEGIN, INDEX, candle

URL = "wss://www.deribit.com/ws/api/v2"
REST = "https://www.deribit.com/api/v2/public"
BOOK, TRADES = "book.BTC-PERPETUAL.raw", "trades.BTC-PERPETUAL.raw"
TICKER = "ticker.BTC-PERPETUAL.100ms"


def received(frame: str) -> Line:
    return {"kind": "received", "frame": frame}


def instruments(currency: str, **changes: Any) -> Line:
    """A list of the instruments of one currency."""
    url = f"{REST}/get_instruments?currency={currency}&kind=future"
    return {"kind": "http", "url": url, "body": encode({"result": [listed(**changes)]})}


def test_a_recording_becomes_messages(tmp_path: Path) -> None:
    channels = [BOOK, TRADES, TICKER, INDEX, "platform_state"]
    value = {"timestamp": TIME_MS, "volatility": raw("45.3"), "index_name": "btc_usd"}
    candles = encode({"result": {"data": [candle(BEGIN)], "continuation": None}})
    lines = [
        header("deribit"),
        instruments("BTC"),
        instruments("USDC", **LINEAR),
        opened(url=URL),
        sent({"id": 1, "method": "public/set_heartbeat", "params": {"interval": 30}}, URL),
        sent({"id": 2, "method": "public/subscribe", "params": {"channels": channels}}, URL),
        received(pushed(BOOK, book_snapshot(100))),
        received('{"method":"heartbeat","params":{"type":"test_request"}}'),
        received(pushed(BOOK, book_change(100, 250))),
        received(pushed(TRADES, [trade(11, liquidation="T")])),
        received(pushed(TICKER, ticker())),
        received(pushed(INDEX, value)),
        {"kind": "http", "url": f"{REST}/get_volatility_index_data?currency=BTC", "body": candles},
        received(answer(2, result={"version": "1.2.26"})),
    ]
    replay = Replay([(DERIBIT, ExchangeSettings())])
    actions = list(replay.run(read_recording(write(tmp_path / "recording", lines))))
    events = [action for action in actions if isinstance(action, Event)]
    assert [event.data_type for event in events] == [
        "orderbook",
        "orderbook",
        "trade",
        "liquidation",
        "funding_rate",
        "open_interest",
        "volatility_index",
        "volatility_index",
    ]
    assert {event.symbol for event in events} == {"BTC-USD", "BTC"}
    assert replay.unanswered == []
