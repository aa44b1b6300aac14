"""`public/get_last_trades_by_instrument`, by sequence number and by time.

Unless trades are asked for in ascending order, the newest of those that fit come first. An
answer says with `has_more` that others of the range are left out.
"""

from typing import Any

from mprism.simulator.deribit.deals import Deals
from mprism.simulator.deribit.rpc import Params, invalid

MOST_TRADES = 1_000


def trades_by_seq(deals: Deals, params: Params) -> dict[str, Any]:
    """Trades from `start_seq` to `end_seq`."""
    found = deals.by_seq(params.optional("start_seq"), params.optional("end_seq"))
    return _page(deals, found, params)


def trades_by_time(deals: Deals, params: Params) -> dict[str, Any]:
    """Trades from `start_timestamp` to `end_timestamp`, in milliseconds."""
    first, last = params.integer("start_timestamp"), params.integer("end_timestamp")
    if first > last:
        raise invalid("end_timestamp", "must not be before start_timestamp")
    return _page(deals, deals.by_time(first, last), params)


def _page(deals: Deals, found: range, params: Params) -> dict[str, Any]:
    count = params.integer("count", 10)
    if not 1 <= count <= MOST_TRADES:
        raise invalid("count", f"must be from 1 to {MOST_TRADES}")
    ascending = params.one_of("sorting", ("asc", "desc", "default"), "default") == "asc"
    page = found[:count] if ascending else found[::-1][:count]
    return {"trades": [deals.give(index) for index in page], "has_more": len(found) > count}
