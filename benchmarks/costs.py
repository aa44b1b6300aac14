"""What each kind of message costs: times of single messages, gathered and summed up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Literal, NamedTuple

from mprism.schema import Event, OrderBook

Carrier = Literal["frame", "answer"]
"""What a message comes in: a WebSocket frame, or the answer to a REST request."""

NO_EVENT = "no event"
"""The kind of a message that nothing is published of: acknowledgements, what is known already."""


class Sample(NamedTuple):
    """One message."""

    characters: int
    events: int  # that came of it
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What messages of one kind cost, from their text to the events. Times are medians."""

    exchange: str
    carrier: Carrier
    kind: str  # what came of them
    messages: int
    characters: float  # of a message, on average
    us: float  # of a message
    us_per_event: float | None  # None: there are no events


@dataclass(slots=True)
class Costs:
    """The costs of one exchange's messages, by what they come in and what comes of them."""

    exchange: str
    _samples: dict[tuple[Carrier, str], list[Sample]] = field(default_factory=dict)
    data_types: set[str] = field(default_factory=set)  # of which there was an event

    def note(
        self,
        carrier: Carrier,
        characters: int,
        events: Sequence[Event],
        seconds: float,
        *,
        of: str = "",
    ) -> None:
        """One message took so long and came to these events. `of` names one without events."""
        without = f"{NO_EVENT}, of {of}" if of else NO_EVENT
        kind = ", ".join(dict.fromkeys(map(kind_of, events))) or without
        sample = Sample(characters, len(events), seconds)
        self._samples.setdefault((carrier, kind), []).append(sample)
        self.data_types.update(event.data_type for event in events)

    def summary(self) -> list[Cost]:
        """A cost for each kind: frames before answers, and each by name."""
        return [
            _cost(self.exchange, carrier, kind, samples)
            for (carrier, kind), samples in sorted(
                self._samples.items(), key=lambda item: (item[0][0] == "answer", item[0][1])
            )
        ]


def kind_of(event: Event) -> str:
    """The data type, and of a book whether it is all of it or a change."""
    if isinstance(event, OrderBook):
        return f"{event.data_type} {event.update_type}"
    return event.data_type


def _cost(exchange: str, carrier: Carrier, kind: str, samples: Sequence[Sample]) -> Cost:
    each = [sample.seconds / sample.events for sample in samples if sample.events]
    return Cost(
        exchange,
        carrier,
        kind,
        len(samples),
        fmean(sample.characters for sample in samples),
        median(sample.seconds for sample in samples) * 1e6,
        median(each) * 1e6 if each else None,
    )
