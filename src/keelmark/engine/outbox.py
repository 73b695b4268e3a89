"""What happened, on its way into the journal: batch by batch, or a group of batches at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from keelmark.core.errors import InvalidInput, KeelmarkError
from keelmark.engine import events as e
from keelmark.engine.codec import record_of
from keelmark.engine.journal.port import Journal, Record


class JournalBehind(KeelmarkError):
    """The memory is ahead of a journal that could not be written: open the engine again."""


class Outbox:
    """Events that are not in the journal yet, and how far it is.

    Attributes:
        journal: Where batches are made durable.
        begun: First record of the journal.
        position: Batches so far, those of an open group included.
        durable: Batches the journal holds.
        is_behind: Whether the memory is ahead of the journal for good.
        has_facts: Whether there are events other than marks since the last batch.
    """

    def __init__(self, journal: Journal, begun: e.JournalOpened, position: int = 0) -> None:
        self.journal = journal
        self.begun = begun
        self.position = self.durable = position
        self.is_behind = self.has_facts = False
        self._events: list[Any] = []
        self._group: list[list[Record]] | None = None

    def note(self, event: Any) -> None:  # noqa: ANN401 an event
        """Take an event that has been applied."""
        self._events.append(event)
        if not isinstance(event, e.MarksSet):
            self.has_facts = True

    def commit(self) -> tuple[Any, ...]:
        """Make what happened one batch, durable now or with its group; return its events."""
        events = _with_one_stretch(self._events)
        if not events:
            return events
        records = [] if self.position else [record_of(self.begun)]
        records += [record_of(event) for event in events]
        if self._group is None:
            self.durable = self.journal.append(records, expected_position=self.durable)
            self.position = self.durable
        else:
            self._group.append(records)
            self.position += 1
        self._events.clear()
        self.has_facts = False
        return events

    @property
    def events(self) -> Sequence[Any]:
        """What happened since the last batch."""
        return self._events

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Carry a command out whole or not at all: after half of one, nothing is accepted."""
        self.require_journal()
        try:
            yield
        except BaseException:
            self.is_behind = self.is_behind or bool(self._events)
            raise

    @contextmanager
    def group(self) -> Iterator[None]:
        """Collect batches and append them together at the end of the block.

        However the block ends, the commands that were carried out in it become durable; only when
        one was carried out in half, nothing of the group does.

        Raises:
            InvalidInput: A group is open already.
            JournalBehind: The memory was ahead of the journal before.
        """
        self.require_journal()
        if self._group is not None:
            msg = "a group of commands is open already; end it before the next"
            raise InvalidInput(msg)
        self._group = []
        try:
            yield
        finally:
            batches, self._group = self._group, None
            if not self.is_behind:
                self._append(batches)

    def _append(self, batches: list[list[Record]]) -> None:
        if not batches:
            return
        self.is_behind = True  # until they are durable
        self.durable = self.journal.append_many(batches, expected_position=self.durable)
        self.is_behind = False

    def require_journal(self) -> None:
        """Refuse to go on once the memory is ahead of the journal; raises `JournalBehind`."""
        if self.is_behind:
            msg = (
                "the last command could not be carried out or made durable and the memory is "
                "ahead of the journal; nothing of it was acknowledged: Engine.recover the journal"
            )
            raise JournalBehind(msg)

    def require_durable(self, what: str) -> None:
        """Refuse what needs the journal to be as far as the memory, inside a group.

        Raises:
            InvalidInput: A group is open.
            JournalBehind: The memory is ahead of the journal for good.
        """
        self.require_journal()
        if self.position != self.durable:
            msg = f"{what} inside a group of commands; do it after the end of its block"
            raise InvalidInput(msg)


def stretch(marks: e.MarksSet, first: int, last: int) -> e.MarksSet:
    """Return snapshots `first` to `last`."""
    start, end = int(marks.offsets[first]), int(marks.offsets[last + 1])
    return e.MarksSet(
        times_ms=marks.times_ms[first : last + 1],
        offsets=marks.offsets[first : last + 2] - start,
        factors=marks.factors[start:end],
        prices=marks.prices[start:end],
    )


def _with_one_stretch(events: list[Any]) -> tuple[Any, ...]:
    """Return events with the marks they begin with as one record.

    A stretch ends where something happens, not where the index wanted a second look: so the
    batches of a journal depend on the state alone.
    """
    count = next((i for i, x in enumerate(events) if not isinstance(x, e.MarksSet)), len(events))
    if count < 2:  # noqa: PLR2004 nothing to join
        return tuple(events)
    parts: list[e.MarksSet] = events[:count]
    starts = np.cumsum([0, *(len(part.factors) for part in parts)])
    shifted = [part.offsets[:-1] + at for part, at in zip(parts, starts, strict=False)]
    joined = e.MarksSet(
        times_ms=np.concatenate([part.times_ms for part in parts]),
        offsets=np.concatenate([*shifted, starts[-1:]]),
        factors=np.concatenate([part.factors for part in parts]),
        prices=np.concatenate([part.prices for part in parts]),
    )
    return (joined, *events[count:])
