"""A reader's side: an engine's state in another process, read from its shared columns.

What is answered is what the journal held at one position. A moment is copied first; a unit whose
last change is not after it is the unit at that moment, whatever has been begun since.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Rows
from keelmark.book.views import UnitView, rows_view
from keelmark.core.errors import OtherTerms, UnreadableData
from keelmark.core.margin import MarginReport
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.rulebooks.load import Rulebook
from keelmark.service.columns.errors import ColumnsUnavailable
from keelmark.service.columns.fleet import FleetCopy
from keelmark.service.columns.folders import MANIFEST, read_manifest
from keelmark.service.columns.layout import Field, Moment, Shape
from keelmark.service.columns.mapping import Mapping, Patience
from keelmark.service.columns.mirror import MirrorState
from keelmark.service.columns.notes import names_in, notes_in
from keelmark.service.reading import Reading, reading_of

Floats = npt.NDArray[np.float64]

ATTEMPTS = 50
"""Times files may turn out to be replaced while they are opened."""

LOOK_S = 0.005
"""Time between two looks for another writer's files: what the last one published stays whole."""


class Replica:
    """Reads the columns that a writer publishes; a `Reader`.

    It follows the writer to its next files by itself. While no writer lives it goes on answering
    what was last published whole (`is_live` tells). Calls may come from several threads and wait
    for each other; what `state` holds moves with the next call of anybody, so iterate over copies
    (`list(state.cases.items())`).
    """

    def __init__(
        self,
        run: Path,
        rulebook: Rulebook,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Map what is published and read the present moment.

        Args:
            run: The run folder of the writer.
            rulebook: The one its journal was begun under.
            clock: Seconds, for the age of the fleet's copy.

        Raises:
            ColumnsUnavailable: Nothing is published there.
            UnreadableData: A file is missing, truncated or damaged.
            NewerFormat: Another release wrote it.
            OtherTerms: The writer's rulebook is another one.
        """
        self._run = run
        self._rulebook = rulebook
        self._clock = clock
        self._lock = threading.RLock()
        self._fleet_lock = threading.Lock()
        self._map: Mapping | None = None
        self._position = -1
        self._seen = self._tried = (0, 0)
        self._looked_s = 0.0
        with self._lock:
            self._refresh()

    @classmethod
    def open(cls, run: Path, rulebook: Rulebook) -> Self:
        """Return a reader of a run folder; errors as `Replica`."""
        return cls(run, rulebook)

    # --- reading --------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Journal position of what is published now."""
        with self._lock:
            self._refresh()
            return self._position

    @property
    def time_ms(self) -> int:
        """The clock there."""
        return self.state.time_ms

    @property
    def state(self) -> MirrorState:
        """The state there; of its book, units one by one."""
        with self._lock:
            self._refresh()
            return self._state

    @property
    def prices(self) -> Floats:
        """A copy of the price column there; the last row is time."""
        return self.state.prices.copy()

    @property
    def is_live(self) -> bool:
        """Whether a writer publishes: else what is read does not move any more."""
        with self._lock:
            self._refresh()
            return self._mapping.is_live

    def view(self, unit: int) -> UnitView:
        """Return a unit as plain values; errors as `read`."""
        return self.read([unit]).views[0]

    def report(self, unit: int) -> MarginReport:
        """Return a unit's exact margin; errors as `read`."""
        return self.read([unit]).report()

    def read(self, units: Iterable[int]) -> Reading:
        """Return several units of one moment, and the market there.

        Raises:
            UnknownUnit: One was never opened.
            WriterGone: The writer ended while it was writing one of them.
            ColumnsBusy: One of them was being written all the time.
        """
        asked = tuple(units)
        with self._lock:
            self._refresh()
            wait = Patience(self._mapping, f"units {asked}")
            while (views := self._views(asked)) is None:
                wait.once()
                self._refresh()
            return reading_of(self._state, self._position, views)

    def fleet(self, max_age_s: float = 1.0) -> Glimpse:
        """Return every unit of one moment, at most so old.

        It is the reader's own and stays as it is until `fleet` is called again: ask for it, and
        use it, on one thread, or keep a copy (`Glimpse.kept`).

        Raises:
            WriterGone: The writer ended while it was writing.
            ColumnsBusy: It wrote all the time.
        """
        with self._fleet_lock:
            self._bring_up(max_age_s)
            with self._lock:  # trust is of now: what is not believed any more is safe for nobody
                untrusted = frozenset(self._state.untrusted)
            return replace(self._fleet.glimpse, untrusted=untrusted)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            if self._map is not None:
                self._map.close()
                self._map = None
                self._seen = (0, 0)

    # --- inside ---------------------------------------------------------------------------------

    @property
    def _mapping(self) -> Mapping:
        if self._map is None:
            msg = f"nothing of {self._run} is mapped; start the writer"
            raise ColumnsUnavailable(msg)
        return self._map

    def _views(self, units: tuple[int, ...]) -> list[UnitView] | None:
        """Return units of the present moment; `None` if one of them has a later change."""
        views = []
        for unit in units:
            changed, (head, *tables) = self._mapping.read_unit(self._state.book.known(unit))
            if changed > self._position:
                return None
            views.append(rows_view(unit, head[0], *tables))
        return views

    def _unit_rows(self, unit: int) -> tuple[Rows, Rows, Rows]:
        """Return the rows of a unit of the present moment, or of a later one that becomes it."""
        with self._lock:
            wait = Patience(self._mapping, f"unit {unit}")
            while True:
                changed, rows = self._mapping.read_unit(unit)
                if changed <= self._position:
                    return rows
                wait.once()
                self._refresh()

    def _bring_up(self, max_age_s: float) -> None:
        """Make the fleet's copy one of a moment that is recent enough."""
        wait: Patience | None = None
        while True:
            with self._lock:
                self._refresh()
                now_s, fleet, mapping = self._clock(), self._fleet, self._mapping
                if fleet.age_s(now_s) <= max_age_s:
                    return
                moment = Moment(mapping.manifest.shape)
                moment.copy_from(self._moment)
                universe = self._state.universe
            if fleet.refresh(mapping.columns, moment, universe, now_s):
                return
            wait = wait or Patience(mapping, "the fleet")
            wait.once()

    def _refresh(self) -> None:
        """Read the present moment of the present writer."""
        for _ in range(ATTEMPTS):
            try:
                self._follow_writer()
                self._mapping.read_moment(self._moment)
                self._take()
            except UnreadableData:
                if not self._is_replaced():
                    raise
                self._looked_s = 0.0
            else:
                return
        msg = f"the files of {self._run} were replaced {ATTEMPTS} times while they were opened"
        raise ColumnsUnavailable(msg)

    def _take(self) -> None:
        """Become the state of the moment that was read."""
        moment, state = self._moment, self._state
        if int(moment.numbers[Field.POSITION]) == self._position:
            return
        is_new, notes = self._mapping.read_notes(moment)
        names = self._mapping.names.read(int(moment.numbers[Field.NAMES_END]))
        state.names.update(names_in(names))
        if is_new:
            state.forget_notes()
        for note in notes_in(notes):
            state.take_note(note)
        units = int(moment.numbers[Field.UNITS])
        state.take_moment(moment, self._mapping.owners(state.book.units_count, units))
        self._position = int(moment.numbers[Field.POSITION])

    def _is_replaced(self) -> bool:
        """Whether what could not be read is not what is published any more."""
        try:
            found = (self._run / MANIFEST).stat()
        except OSError:
            return False
        if (found.st_ino, found.st_mtime_ns) != self._tried:
            return True
        if self._map is None or self._tried != self._seen:
            return False
        later = Moment(self._map.manifest.shape)
        self._map.read_moment(later)
        return bool(later.numbers[Field.LOG] != self._moment.numbers[Field.LOG])

    def _follow_writer(self) -> None:
        """Map another writer's files if there are such."""
        now_s = time.monotonic()
        if self._map is not None and now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        try:
            found = (self._run / MANIFEST).stat()
        except FileNotFoundError:
            if self._map is None:
                read_manifest(self._run)
            return
        seen = (found.st_ino, found.st_mtime_ns)
        if seen == self._seen:
            return
        self._tried = seen
        manifest = read_manifest(self._run)
        state = MirrorState(self._rulebook, self._unit_rows)
        if manifest.shape != Shape.of(state.universe):
            msg = (
                f"the columns of {self._run} have {manifest.shape}, rulebook "
                f"{self._rulebook.name} reads {Shape.of(state.universe)}; name the rulebook that "
                "the journal was begun under"
            )
            raise OtherTerms(msg)
        mapping = Mapping(manifest)
        if self._map is not None:
            self._map.close()
        self._map, self._state, self._seen = mapping, state, seen
        self._moment, self._position = Moment(manifest.shape), -1
        self._fleet = FleetCopy(manifest.shape, len(state.book.in_house))
