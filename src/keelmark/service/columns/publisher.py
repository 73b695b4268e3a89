"""The writer's side: after each durable group, what it changed becomes visible to readers."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from keelmark.book.kernels.wide import LIMB, LOW_LIMB
from keelmark.core.errors import StorageFailed
from keelmark.engine.engine import Engine
from keelmark.engine.outbox import JournalBehind
from keelmark.service.columns.changes import NOBODY, Changes
from keelmark.service.columns.folders import (
    MANIFEST,
    memory_folder,
    remove_left_overs,
    write_manifest,
)
from keelmark.service.columns.generation import Generation
from keelmark.service.columns.layout import Shape
from keelmark.service.columns.notes import AnyNote, encoded, every_note, shared_note

AT_ONCE = 10_000
"""Notes or names in one entry of a log."""

LOG_MIN = 2**24
"""Bytes after which a log of notes may be begun anew."""

LOG_GROWTH = 4
"""It is, when it is so many times as long as what it began with."""

Item = TypeVar("Item")


class Publisher:
    """Keeps the shared columns of an engine at what is durable.

    The engine's thread calls `publish` after each group, when it has been written to the journal.
    It never waits for a reader.
    """

    def __init__(self, engine: Engine, run: Path, *, memory: Path | None = None) -> None:
        """Publish everything the engine holds.

        Args:
            engine: What it does from now on is followed.
            run: Where readers find out which files to map.
            memory: Folder for the files; one in memory where there is such, else `run`.

        Raises:
            StorageFailed: There is no room, not even in the run folder.
        """
        self._engine = engine
        self._run = run
        remove_left_overs(memory or memory_folder(run), run)
        self._changes = Changes(engine.state)
        engine.follower = self._changes
        self._begin(memory or memory_folder(run))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def position(self) -> int:
        """Journal position that readers see."""
        return self._position

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._files.folder

    def publish(self) -> None:
        """Make visible what has become durable since the last call.

        Raises:
            JournalBehind: What the engine holds is not durable, or not yet: a group is open.
                StorageFailed: There is no room left, not even in the run folder; readers keep what
                they have, and the next call tries again.
        """
        engine = self._engine
        if engine.is_behind or engine.position != engine.durable_position:
            msg = (
                "the engine holds what its journal does not; publish after the end of a group, or "
                "open the engine again"
            )
            raise JournalBehind(msg)
        if engine.position == self._position:
            return
        try:
            if self._files.with_longs != engine.state.universe.scales_with_open_interest:
                self._begin_again(self._files.folder.parent)
            else:
                self._publish()
        except StorageFailed:
            self._begin_again(self._run)

    def close(self) -> None:
        """Stop following the engine and remove the files."""
        if self._engine.follower is self._changes:
            self._engine.follower = None
        self._files.remove()
        (self._run / MANIFEST).unlink(missing_ok=True)

    def _begin_again(self, parent: Path) -> None:
        self._files.remove()
        self._begin(parent)

    def _begin(self, parent: Path) -> None:
        """Publish everything to new files; where there is no room, to the run folder."""
        try:
            universe = self._engine.state.universe
            counted = universe.scales_with_open_interest
            shape = Shape.of(universe)
            self._files = Generation(parent, shape, with_longs=counted)
            try:
                self._publish_everything()
                write_manifest(self._run, self._files.manifest)
            except BaseException:
                self._files.remove()
                raise
        except StorageFailed:
            if parent == self._run:
                raise
            self._begin(self._run)

    def _publish_everything(self) -> None:
        state = self._engine.state
        everybody = np.arange(state.book.units_count, dtype=np.int32)
        self._files.copy(state.book, everybody, NOBODY, self._engine.position)
        for names in _parts(state.names.items()):
            self._files.names.append(encoded(names))
        self._shared = b""
        self._note_everything()
        self._tell(with_vault=True)

    def _publish(self) -> None:
        changes, files = self._changes, self._files
        if changes.has_facts:
            files.copy(self._engine.state.book, changes.filled, changes.paid, self._engine.position)
            if changes.names:
                files.names.append(encoded(changes.names))
        self._note(changes.notes() if changes.has_facts else [])
        self._tell(with_vault=changes.has_facts)

    def _note(self, notes: list[AnyNote]) -> None:
        """Write what has changed beside the columns."""
        shared = encoded([shared_note(self._engine.state)])
        if self._files.notes.end + len(shared) > max(LOG_MIN, LOG_GROWTH * self._base):
            self._files.begin_notes()
            self._note_everything()
            return
        if notes:
            self._files.notes.append(encoded(notes))
        if shared != self._shared:
            self._files.notes.append(shared)
            self._shared = shared

    def _note_everything(self) -> None:
        state = self._engine.state
        self._shared = encoded([shared_note(state)])
        for notes in _parts(every_note(state)):
            self._files.notes.append(encoded(notes))
        self._base = self._files.notes.end

    def _tell(self, *, with_vault: bool) -> None:
        state, moment = self._engine.state, self._files.moment
        moment.numbers[:10] = (
            self._engine.position,
            state.time_ms,
            state.posted_ms,
            state.rechecked_ms,
            state.disposed_ms,
            state.deleveraged_ms,
            state.cases_count,
            state.book.units_count,
            state.book.positions.used,
            state.book.balances.used,
        )
        moment.prices[:] = state.prices
        moment.seen_ms[:-1] = state.seen_ms
        if with_vault:
            moment.vault[0::2] = [quanta >> LIMB for quanta in state.book.vault]
            moment.vault[1::2] = [quanta & LOW_LIMB for quanta in state.book.vault]
        self._files.tell()
        self._position = self._engine.position
        self._changes.clear()


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Return items by so many at once."""
    rest = iter(items)
    while part := list(islice(rest, AT_ONCE)):
        yield part
