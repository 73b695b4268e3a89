"""A journal that lives as long as its process: for simulation, for tests, and as the reference."""

from collections.abc import Iterator, Sequence

from keelmark.engine.journal.port import (
    Batch,
    Record,
    check_after,
    check_expected,
    checked_batches,
)

_NAME = "journal in memory"


class MemoryJournal:
    """Batches in a list. The plain meaning of the `Journal` port."""

    def __init__(self) -> None:
        self._batches: list[tuple[Record, ...]] = []

    @property
    def position(self) -> int:
        """How many batches the journal holds."""
        return len(self._batches)

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch; see `Journal.append`."""
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches, all or none; see `Journal.append_many`."""
        fixed = checked_batches(batches)
        check_expected(expected_position, self.position, _NAME)
        self._batches.extend(fixed)
        return self.position

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position; see `Journal.read`."""
        check_after(after, self.position, _NAME)
        return iter(tuple(enumerate(self._batches[after:], after + 1)))
