"""What Deribit sends, as structs: JSON-RPC frames, the data of channels, REST answers.

Numbers that are published stay raw: they are JSON floats, now and then with an exponent, and
every digit counts. Fields that are not used are not declared. Source: docs.deribit.com,
"JSON-RPC API", the pages of the channels and of the methods.
"""

from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from mprism.feeds.decimals import MalformedNumber, decimal_of, from_json, positive
from mprism.feeds.decoding import Id, Milliseconds

CREDITS: Final = 500
"""What a REST request costs that has no price of its own."""

# It becomes part of a message's id, which travels in a header: no line breaks, and never long.
_TradeId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]

_ABSENT: Final = (b"", b"null")


class ErrorBody(Struct):
    """`error` of an answer."""

    code: int | str | None = None
    message: str = ""

    @property
    def text(self) -> str:
        """For operators."""
        return f"code {self.code}, {self.message!r}"


class Params(Struct):
    """Of a notification: what channel it is of and its data, or a heartbeat's type."""

    channel: str = ""
    data: Raw = Raw()
    type: str = ""


class Frame(Struct):
    """Any frame: a notification, or an answer to a request of ours."""

    method: str | None = None
    params: Params | None = None
    id: int | str | None = None
    result: Raw = Raw()
    error: ErrorBody | None = None


class BookData(Struct, gc=False):
    """`book.*`: levels `[action, price, amount]` that changed, or all of them."""

    type: str
    timestamp: Milliseconds
    change_id: Id
    instrument_name: str
    bids: Raw
    asks: Raw
    prev_change_id: Id | None = None


class TradeData(Struct, gc=False):
    """One trade, of `trades.*` and of REST alike. `direction` is the taker's."""

    instrument_name: str
    trade_seq: Id
    trade_id: _TradeId
    timestamp: Milliseconds
    price: Raw
    amount: Raw
    direction: Literal["buy", "sell"]
    liquidation: str | None = None


class TickerData(Struct, gc=False):
    """`ticker.*`. Only perpetuals have funding."""

    instrument_name: str
    timestamp: Milliseconds
    open_interest: Raw = Raw()
    mark_price: Raw = Raw()
    index_price: Raw = Raw()
    current_funding: Raw = Raw()


class PerpetualData(Struct, gc=False):
    """`perpetual.*`: `interest` is the funding rate that `ticker` calls current."""

    timestamp: Milliseconds
    interest: Raw
    index_price: Raw = Raw()


class VolatilityData(Struct, gc=False):
    """`deribit_volatility_index.*`."""

    timestamp: Milliseconds
    volatility: Raw
    index_name: str


class PlatformState(Struct):
    """`platform_state`, as far as it is about all of the platform."""

    maintenance: bool = False


class TradePage(Struct):
    """`public/get_last_trades_by_instrument_and_time`."""

    trades: list[Raw]
    has_more: bool = False


class CandlePage(Struct):
    """`public/get_volatility_index_data`. Pages go backwards: the next one ends there."""

    data: list[Raw]
    continuation: Milliseconds | None = None


_Result = TypeVar("_Result")


class Answer(Struct, Generic[_Result]):
    """A REST answer. `usOut` is when it left the exchange, in microseconds."""

    result: _Result
    us_out: Annotated[int, Meta(ge=0, le=2**53)] | None = msgspec.field(name="usOut", default=None)


decode_frame = msgspec.json.Decoder(Frame).decode


def given(raw: Raw) -> str | None:
    """A JSON number as a plain decimal; None where it is absent. Raises MalformedNumber."""
    return None if bytes(raw) in _ABSENT else from_json(raw)


def given_amount(raw: Raw) -> str | None:
    """The same of a number that cannot be below zero."""
    number = given(raw)
    if number is not None and decimal_of(number) < 0:
        raise MalformedNumber(f"below zero: {number}")
    return number


def given_price(raw: Raw) -> str | None:
    """The same of a price, which is zero where there is none."""
    return positive(given_amount(raw))
