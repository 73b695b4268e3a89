"""Journals of a simulation: one that is audited as it grows, and one whose writes fail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from keelmark.core.errors import StorageFailed
from keelmark.engine.apply import apply
from keelmark.engine.auditor import Auditor
from keelmark.engine.codec import event_of
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.port import Batch, Record
from keelmark.engine.state import State
from keelmark.lab.simulation.probes import Probes
from keelmark.lab.simulation.spec import FaultsTable


@dataclass(slots=True)
class FollowedJournal:
    """A journal that folds every batch at once: what it says is known apart from the engine.

    Attributes:
        state: Folded from the records alone.
        probes: Told of every event.
        auditor: Told of every event before and after it is applied.
    """

    state: State
    probes: Probes
    auditor: Auditor = field(default_factory=Auditor)
    inner: MemoryJournal = field(default_factory=MemoryJournal)

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch; see `Journal.append`."""
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches; see `Journal.append_many`."""
        position = self.inner.append_many(batches, expected_position=expected_position)
        for record in (record for batch in batches for record in batch):
            event = event_of(record)
            self.auditor.before(self.state, event)
            apply(self.state, event)
            self.auditor.after(self.state, event)
            self.probes.event(self.state, event)
        return position

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position; see `Journal.read`."""
        return self.inner.read(after=after)


class FaultyJournal:
    """A journal whose writes fail: before they are durable, or after, unacknowledged.

    The second is also what the end of the process between two batches looks like.

    Attributes:
        unacknowledged: Whether the last failure came after the batch was durable.
    """

    def __init__(
        self, inner: FollowedJournal, faults: FaultsTable, rng: np.random.Generator
    ) -> None:
        self.unacknowledged = False
        self._inner, self._faults, self._rng = inner, faults, rng

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch, or fail."""
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches, or fail.

        Raises:
            StorageFailed: As drawn.
        """
        if self._rng.random() < self._faults.journal_fails:
            self.unacknowledged = False
            msg = "simulated: the write failed before it was durable"
            raise StorageFailed(msg)
        position = self._inner.append_many(batches, expected_position=expected_position)
        if self._rng.random() < self._faults.restart:
            self.unacknowledged = True
            msg = "simulated: the process ended after the write was durable"
            raise StorageFailed(msg)
        return position

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position."""
        return self._inner.read(after=after)
