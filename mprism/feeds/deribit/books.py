"""The channel `book.*`: every level at first, then what changed.

A change names the id before it. One without, or with 0 there, begins the book anew.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from mprism.feeds.decoding import NS_PER_MS, UNDECODABLE
from mprism.feeds.deribit.channels import Stream
from mprism.feeds.deribit.levels import pairs
from mprism.feeds.deribit.wire import BookData
from mprism.feeds.levels import MalformedLevels
from mprism.feeds.protocol import Action, BookState, Reject
from mprism.feeds.streamed_book import BookChange, StreamedBook
from mprism.settings import OrderBookSettings

# All levels are sent, however many there are: this only bounds what is kept of them.
_WINDOW: Final = 10_000

_decode = msgspec.json.Decoder(BookData).decode


class BookChannel:
    """One book's channel on one connection."""

    def __init__(self, stream: Stream, settings: OrderBookSettings) -> None:
        self.stream = stream
        self._book = StreamedBook(
            stream.wanted.channel, stream.instrument, settings, stream.continuity, window=_WINDOW
        )

    def begin(self) -> Iterator[Action]:
        """The connection is open."""
        return self._book.begin()

    def receive(self, data: Raw, recv_ns: int) -> Iterator[Action]:
        """A message of the channel."""
        try:
            message = _decode(data)
        except UNDECODABLE as error:
            yield from self._unread(Reject("malformed event", f"{self._name}: {error}"))
            return
        if message.instrument_name != self.stream.instrument.instrument_id:
            yield Reject("malformed event", f"{message.instrument_name!r} on {self._name}")
            return
        try:
            change = _change(message)
        except MalformedLevels as error:
            yield from self._unread(Reject("malformed levels", f"{self._name}: {error}"))
            return
        self.stream.note(recv_ns)
        yield from self._book.receive(change, recv_ns)

    @property
    def is_leaving(self) -> bool:
        """Whether the channel is to be given up and asked for anew."""
        return self._book.is_leaving

    def unsubscribed(self) -> None:
        """The exchange has confirmed that the channel was given up."""
        self._book.restart()

    def refused(self, reason: str) -> Iterator[Action]:
        """The exchange does not give this channel."""
        yield BookState(self.stream.instrument.symbol, False, reason)

    def republish(self, recv_ns: int) -> Iterator[Action]:
        """Publish the top of the book now, if it is live."""
        return self._book.republish(recv_ns)

    @property
    def _name(self) -> str:
        return self.stream.wanted.channel

    def _unread(self, reject: Reject) -> Iterator[Action]:
        yield reject
        yield from self._book.malformed("a message could not be read")


def _change(message: BookData) -> BookChange:
    previous = message.prev_change_id
    is_snapshot = message.type == "snapshot" or not previous
    return BookChange(
        is_snapshot=is_snapshot,
        previous_id=None if is_snapshot else previous,
        last_id=message.change_id,
        ts_event=message.timestamp * NS_PER_MS,
        bids=pairs(message.bids),
        asks=pairs(message.asks),
    )
