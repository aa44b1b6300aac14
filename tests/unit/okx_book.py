"""The book of BTC-USDT on a connection to OKX, driven by messages that are written short."""

from typing import Any

from mprism.feeds.instrument import Instrument
from tests.unit.okx_payloads import SPOT, book
from tests.unit.okx_socket import Socket, told

BOOKS = "books:BTC-USDT"
OUT = f"resubscribe {BOOKS} 0"


def socket_of(*instruments: Instrument, **settings: Any) -> Socket:
    return Socket(*instruments or (SPOT,), data_types=["orderbook"], **settings)


def snapshot(socket: Socket, last: int, **changes: Any) -> list[str]:
    return told(socket.push(BOOKS, book(-1, last, **changes), action="snapshot"))


def update(socket: Socket, previous: int, last: int, **changes: Any) -> list[str]:
    return told(socket.push(BOOKS, book(previous, last, **changes), action="update"))


def live() -> Socket:
    socket = socket_of()
    assert snapshot(socket, 100) == ["live", "s100"]
    return socket
