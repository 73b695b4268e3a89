"""A journal that keeps at hand what has just become durable, and says how far it is read."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keelmark.core.errors import StorageFailed
from keelmark.engine.journal.port import Batch, Journal, Record

PROGRESS_EVERY = 256
"""Batches between two words of progress."""

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Durable:
    """A batch that has become durable."""

    position: int
    records: tuple[Record, ...]


class JournalTap:
    """A `Journal` in front of another.

    Attributes:
        fresh: What has become durable since it was last taken.
        commit_us: How long the last write took.
    """

    def __init__(self, journal: Journal, file: Path | None = None) -> None:
        self._journal = journal
        self._file = file
        self._inode = file.stat().st_ino if file is not None else 0
        self._told: Told | None = None
        self.fresh: list[Durable] = []
        self.commit_us = 0

    def on_progress(self, told: Told | None) -> None:
        """Call somebody with each position that is read; nobody with `None`."""
        self._told = told

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch; see `Journal.append`."""
        return self.append_many((batch,), expected_position=expected_position)

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches; see `Journal.append_many`."""
        self._require_file()
        begun = time.monotonic_ns()
        end = self._journal.append_many(batches, expected_position=expected_position)
        self.commit_us = (time.monotonic_ns() - begun) // 1000
        first = end - len(batches) + 1
        self.fresh += [Durable(first + n, tuple(batch)) for n, batch in enumerate(batches)]
        return end

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position; see `Journal.read`."""
        self._require_file()
        for position, records in self._journal.read(after=after):
            if self._told is not None and position % PROGRESS_EVERY == 0:
                self._told(position)
            yield position, records

    def taken(self) -> list[Durable]:
        """Return what has become durable since this was last asked."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def close(self) -> None:
        """Close the journal."""
        close = getattr(self._journal, "close", None)
        if close is not None:
            close()

    def _require_file(self) -> None:
        """Refuse to write to a file that has lost its name: nobody would find it again.

        Raises:
            StorageFailed: It was moved or removed.
        """
        if self._file is None:
            return
        try:
            is_there = self._file.stat().st_ino == self._inode
        except OSError:
            is_there = False
        if not is_there:
            msg = f"{self._file} was moved or removed while it was open; put it back"
            raise StorageFailed(msg)
