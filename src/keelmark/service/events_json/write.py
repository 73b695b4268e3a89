"""Batches of the journal as JSON events, each with its place, time and topic."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from keelmark.engine import events as e
from keelmark.engine.codec import event_of
from keelmark.engine.journal.port import Record
from keelmark.engine.state import State
from keelmark.service.events_json.names import Json, Namer, instant
from keelmark.service.events_json.order_words import ORDER_WORDS
from keelmark.service.events_json.topics import Topic, topic_of
from keelmark.service.events_json.words import WORDS, posted_rows

ALL_WORDS = WORDS | ORDER_WORDS


class Stateful(Protocol):
    """Has a state; `service.reading.Reader` does."""

    @property
    def state(self) -> State:
        """The present state."""


@dataclass(frozen=True, slots=True)
class Held:
    """A state that was read, where nothing newer is asked for: `Stateful`."""

    state: State


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is told.

    Attributes:
        position: Journal position after its batch.
        index: Its place in the batch.
        topic: What it is about.
        body: The event as JSON.
    """

    position: int
    index: int
    topic: Topic
    body: Json

    @property
    def id(self) -> str:
        """What a stream calls the event; sent back, it resumes after it."""
        return f"{self.position}.{self.index}"

    @property
    def text(self) -> bytes:
        """The event as it is sent."""
        return msgspec.json.encode(self.body)


class EventWriter:
    """Writes events with the names of a state.

    Args:
        reader: Where the present state is; names of accounts are read from it as they come.
        time_ms: The clock before the first event, 0 if it is not known.
        rows: Whether batches of postings are written row by row.
    """

    def __init__(self, reader: Stateful, *, time_ms: int = 0, rows: bool = False) -> None:
        self._reader, self.time_ms, self._rows = reader, time_ms, rows
        self._namer = Namer(reader.state)

    def tell(
        self, position: int, records: Iterable[Record], topics: Collection[Topic]
    ) -> Iterator[Told]:
        """Yield the events of one batch that are about one of the topics."""
        self._namer.state = self._reader.state
        for index, record in enumerate(records):
            event = event_of(record)
            self.time_ms = time_of(event) or self.time_ms
            self._namer.learn(event)
            topic = topic_of(event)
            if topic in topics:
                yield Told(position, index, topic, self.body(event, position, index))

    def body(self, event: Any, position: int, index: int) -> Json:  # noqa: ANN401 an event
        """Return one event as JSON."""
        fields = ALL_WORDS[type(event)](self._namer, event)
        if self._rows and isinstance(event, e.Posted):
            fields |= {"rows": posted_rows(self._namer, event)}
        return {
            "position": position,
            "index": index,
            "time": instant(self.time_ms),
            "topic": topic_of(event).value,
            "type": type(event).__name__,
            **fields,
        }


def time_of(event: Any) -> int:  # noqa: ANN401 an event
    """Return the clock that an event brings, 0 if it brings none."""
    if isinstance(event, e.MarksSet):
        return int(event.times_ms[-1]) if len(event.times_ms) else 0
    found: int = getattr(event, "time_ms", 0)
    return found
