"""The public methods of Deribit that answer with data, over WebSocket and REST alike."""

from collections.abc import Callable
from typing import Any

from mprism.simulator.book import Book
from mprism.simulator.deribit.feed import ContractFeed
from mprism.simulator.deribit.gauges import open_interest_sent
from mprism.simulator.deribit.listing import CURRENCIES, KINDS, instruments
from mprism.simulator.deribit.market import DeribitMarket
from mprism.simulator.deribit.numbers import float_form
from mprism.simulator.deribit.payloads import order_book, raw
from mprism.simulator.deribit.rpc import METHOD_NOT_FOUND, NOT_FOUND, Params, RpcError, invalid
from mprism.simulator.deribit.trading import trades_by_seq, trades_by_time

DEPTHS = (1, 5, 10, 20, 50, 100, 1_000, 10_000)
MOST_CANDLES = 1_000
RESOLUTIONS = {"1": 1, "60": 60, "3600": 3_600, "43200": 43_200, "1D": 86_400}
VERSION = "1.2.26"


class PublicMethods:
    """Answers of one market.

    Candles are in percent points, or as fractions with `fractions`: of the two forms that
    documents show, live answers have had the first.
    """

    def __init__(self, market: DeribitMarket, *, fractions: bool) -> None:
        self._market = market
        self._candle_digits = 4 if fractions else 2
        self._stale: dict[str, Book] = {}
        self._stale_left = 0
        self._methods: dict[str, Callable[[Params], object]] = {
            "public/test": lambda _: {"version": VERSION},
            "public/hello": lambda _: {"version": VERSION},
            "public/get_time": lambda _: self._now_ms,
            "public/status": lambda _: {"locked": "false", "locked_indices": []},
            "public/get_instruments": _get_instruments,
            "public/get_order_book": self._get_order_book,
            "public/get_last_trades_by_instrument": self._last_trades,
            "public/get_last_trades_by_instrument_and_time": self._last_trades_by_time,
            "public/get_volatility_index_data": self._volatility,
            "public/get_funding_rate_value": self._funding_value,
            "public/get_book_summary_by_currency": self._summaries,
        }

    def call(self, method: str, params: Params) -> object:
        """The result of a call. Raises RpcError."""
        if method not in self._methods:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return self._methods[method](params)

    def grow_stale(self, count: int) -> None:
        """Answer the next requests for a book with the one from a second ago."""
        self._stale = self._market.stale_books()
        self._stale_left += count

    @property
    def _now_ms(self) -> int:
        return self._market.now_us // 1_000

    def _feed(self, params: Params) -> ContractFeed:
        feed = self._market.feeds.get(params.text("instrument_name"))
        if feed is None:
            raise RpcError(NOT_FOUND, "not_found")
        return feed

    def _get_order_book(self, params: Params) -> dict[str, Any]:
        feed = self._feed(params)
        depth = params.integer("depth", 5)
        if depth not in DEPTHS:
            raise invalid("depth", f"must be one of {DEPTHS}")
        book = feed.book.shown
        if self._stale_left:
            self._stale_left -= 1
            book = self._stale[feed.contract.name]
        figures = self._market.tickers[feed.contract.name].figures
        return {
            "timestamp": self._now_ms,
            "state": feed.contract.instrument.status,
            "instrument_name": feed.contract.name,
            "change_id": book.update_id,
            "open_interest": open_interest_sent(feed.contract, figures).json,
            "mark_price": figures.mark_price.json,
            "index_price": figures.index_price.json,
            **order_book(feed.contract, book, depth),
        }

    def _last_trades(self, params: Params) -> dict[str, Any]:
        return trades_by_seq(self._feed(params).deals, params)

    def _last_trades_by_time(self, params: Params) -> dict[str, Any]:
        return trades_by_time(self._feed(params).deals, params)

    def _volatility(self, params: Params) -> dict[str, Any]:
        """Candles, the newest that fit; `continuation` is the end of the rest, in ms."""
        index = self._market.indexes.get(f"{params.text('currency').lower()}_usd")
        if index is None:
            raise RpcError(NOT_FOUND, "not_found")
        first_ms, last_ms = params.integer("start_timestamp"), params.integer("end_timestamp")
        seconds = RESOLUTIONS[params.one_of("resolution", tuple(RESOLUTIONS))]
        first_s = -(-first_ms // 1_000)
        candles = index.candles(first_s, last_ms // 1_000, seconds, MOST_CANDLES)
        more = candles and candles[0][0] - seconds >= first_s
        data = [
            [start * 1_000, *(raw(float_form(v, self._candle_digits)) for v in values)]
            for start, *values in candles
        ]
        return {"data": data, "continuation": candles[0][0] * 1_000 - 1 if more else None}

    def _funding_value(self, params: Params) -> object:
        """The rate that was paid in a period: here always the same for each hour."""
        feed = self._feed(params)
        if not feed.contract.perpetual:
            raise invalid("instrument_name", "must be a perpetual")
        period = params.integer("end_timestamp") - params.integer("start_timestamp")
        return raw(float_form(period * 423_171 // 3_600_000, 12))

    def _summaries(self, params: Params) -> list[dict[str, Any]]:
        currency = params.one_of("currency", CURRENCIES)
        kind = params.one_of("kind", KINDS, "future")
        return [
            self._summary(feed)
            for feed in self._market.feeds.values()
            if kind == "future" and currency in ("any", feed.contract.currency)
        ]

    def _summary(self, feed: ContractFeed) -> dict[str, Any]:
        contract = feed.contract
        figures = self._market.tickers[contract.name].figures
        return {
            "instrument_name": contract.name,
            "base_currency": contract.instrument.base,
            "quote_currency": contract.instrument.quote,
            "open_interest": open_interest_sent(contract, figures).json,
            "mark_price": figures.mark_price.json,
            "mid_price": figures.mark_price.json,
            "bid_price": None,
            "ask_price": None,
            "last": None,
            "volume": raw("12406.94181"),
            "volume_usd": raw("1.0735672e9"),
            "creation_timestamp": self._now_ms,
        }


def _get_instruments(params: Params) -> list[dict[str, Any]]:
    currency = params.one_of("currency", CURRENCIES, "any")
    kind = params.one_of("kind", (*KINDS, ""), "")
    return instruments(currency, kind or None, expired=params.flag("expired"))
