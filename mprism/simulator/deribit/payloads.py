"""Messages of Deribit's channels, with the fields and number forms that the exchange sends.

A message is the whole JSON-RPC notification, with the channel's name and its data.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mprism.simulator.book import Book
from mprism.simulator.deribit.catalog import Contract
from mprism.simulator.deribit.gauges import Figures, open_interest_sent
from mprism.simulator.deribit.numbers import AmountGrid, FloatGrid, Number, float_form

_UNANNOUNCED = {"zz": {"new": [1, "2"]}}
"""Exchanges add fields without notice; a reader must not mind."""

_encode = msgspec.json.Encoder().encode

Change = tuple[int, int, str]
"""A level's key, its new quantity in lots, and what happened: new, change or delete."""


def notification(channel: str, data: object) -> bytes:
    """`data` of a channel."""
    params = {"channel": channel, "data": data}
    return _encode({"jsonrpc": "2.0", "method": "subscription", "params": params})


def raw(text: str) -> msgspec.Raw:
    """JSON that is written already."""
    return msgspec.Raw(text.encode())


def book_snapshot(contract: Contract, book: Book, time_ms: int) -> dict[str, Any]:
    """The first message of a book: every level."""
    return {
        "timestamp": time_ms,
        "type": "snapshot",
        "change_id": book.update_id,
        "instrument_name": contract.name,
        "bids": _levels(contract, ((k, book.bids.lots[k], "new") for k in book.bids.order)),
        "asks": _levels(contract, ((k, book.asks.lots[k], "new") for k in book.asks.order)),
    }


def book_change(
    contract: Contract, changes: Iterable[Change], ids: tuple[int, int], time_ms: int
) -> dict[str, Any]:
    """What changed since the last message, of which `ids` gives the id, then this one's."""
    bids: list[Change] = []
    asks: list[Change] = []
    for change in changes:
        (bids if change[0] < 0 else asks).append(change)
    return {
        "timestamp": time_ms,
        "type": "change",
        "prev_change_id": ids[0],
        "change_id": ids[1],
        "instrument_name": contract.name,
        "bids": _levels(contract, bids),
        "asks": _levels(contract, asks),
        **_UNANNOUNCED,
    }


def _levels(contract: Contract, changes: Iterable[Change]) -> msgspec.Raw:
    price, amount = contract.price.wire, contract.amount.wire
    parts = (
        f'["{action}",{price(abs(key))},{amount(lots) if lots else "0.0"}]'
        for key, lots, action in changes
    )
    return raw(f"[{','.join(parts)}]")


def order_book(contract: Contract, book: Book, depth: int) -> dict[str, Any]:
    """The levels of `public/get_order_book`, best first."""
    sides: dict[str, Any] = {}
    for name, side in (("bids", book.bids), ("asks", book.asks)):
        levels = (
            f"[{contract.price.wire(abs(key))},{contract.amount.wire(side.lots[key])}]"
            for key in side.order[:depth]
        )
        sides[name] = raw(f"[{','.join(levels)}]")
    return sides


def perpetual(figures: Figures, time_ms: int) -> dict[str, Any]:
    """`perpetual`: what funding is now."""
    return {
        "index_price": figures.index_price.json,
        "interest": figures.funding.json,
        "timestamp": time_ms,
        **_UNANNOUNCED,
    }


def ticker(
    contract: Contract, figures: Figures, book: Book, last: int | None, time_ms: int
) -> dict[str, Any]:
    """`ticker`. `last` is the last trade's price in ticks; funding is of perpetuals alone."""
    middle = figures.mark_price
    top = _top(contract.price, contract.amount, book)
    funding: Mapping[str, Any] = {}
    if contract.perpetual:
        funding = {
            "current_funding": figures.funding.json,
            "funding_8h": figures.funding_8h.json,
            "interest_value": raw(float_form(figures.funding_8h.units * 3, 4)),
        }
    return {
        "timestamp": time_ms,
        "state": contract.instrument.status,
        "stats": {
            "high": _times(middle, 103),
            "low": _times(middle, 96),
            "price_change": None if last is None else raw("-1.0424"),
            "volume": raw("12406.94181"),
            "volume_usd": raw("1.0735672e9"),
            "volume_notional": raw("1.0735672e9"),
        },
        "index_price": figures.index_price.json,
        "instrument_name": contract.name,
        "last_price": None if last is None else raw(contract.price.wire(last)),
        "settlement_price": _times(middle, 99),
        "min_price": _times(middle, 98),
        "max_price": _times(middle, 102),
        "open_interest": open_interest_sent(contract, figures).json,
        "mark_price": figures.mark_price.json,
        "estimated_delivery_price": figures.index_price.json,
        **top,
        **funding,
        **_UNANNOUNCED,
    }


def _top(price: FloatGrid, amount: AmountGrid, book: Book) -> dict[str, Any]:
    top: dict[str, Any] = {}
    for name, side in (("bid", book.bids), ("ask", book.asks)):
        key = side.order[0]
        top[f"best_{name}_price"] = raw(price.wire(abs(key)))
        top[f"best_{name}_amount"] = raw(amount.wire(side.lots[key]))
    return top


def _times(number: Number, percent: int) -> msgspec.Raw:
    return Number(number.units * percent // 100, number.digits).json
