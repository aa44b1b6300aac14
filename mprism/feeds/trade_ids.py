"""Trades by their ids: which are new, and which are missing before them."""

from mprism.feeds.instrument import Instrument
from mprism.feeds.protocol import Action, Continuity, Gap, Reject


def follow_trade(
    continuity: Continuity, instrument: Instrument, first_id: int, last_id: int, time: int
) -> tuple[bool, list[Action]]:
    """Whether a trade is new, and what its ids tell, after all that the feed has seen.

    It stands for the ids `first_id` to `last_id`, which count up by one per instrument; `time`
    is the exchange's, in ms. A trade that is not new counts as a duplicate.
    """
    actions: list[Action] = []
    known = continuity.last_trade.get(instrument.instrument_id)
    if known is not None:
        known_id, known_time = known
        if first_id > known_id + 1:
            actions.append(Gap("trade", instrument.symbol, known_id + 1, first_id - 1))
        elif last_id <= known_id:
            if time <= known_time:
                continuity.duplicates += 1
                return False, actions
            # Later by its time and earlier by its id: the exchange began to count anew, or an
            # id before it was wrong. To go on as before would drop all that follows.
            detail = f"{instrument.instrument_id}: {known_id}, {last_id}"
            actions.append(Reject("trade ids went back", detail))
    continuity.last_trade[instrument.instrument_id] = last_id, time
    return True, actions
