"""The slow monitor: after every snapshot and every change, everybody needs a decision.

It knows nothing of wires, levels or bounds, so an engine that watches with it finds whatever there
is to find. The engine that watches with wires must do exactly the same.
"""

import numpy as np

from keelmark.book.tripwires.index import TripwireSettings
from keelmark.book.tripwires.net import Int32s
from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.engine.apply import Touched
from keelmark.engine.events import MarksSet
from keelmark.engine.state import State
from keelmark.engine.watch import Watch


class PassWatch(Watch):
    """Reports every open unit of a client, one snapshot at a time."""

    def __init__(self, state: State, settings: TripwireSettings | None = None) -> None:  # noqa: ARG002 as Watch
        self._state = state
        self._noted = False

    def rebuild(self) -> Int32s:
        return self.suspects()

    def note(self, touched: Touched) -> None:
        if len(touched.units) or touched.cash is not None or touched.levels:
            self._noted = True

    def flush(self) -> Int32s:
        noted, self._noted = self._noted, False
        return self.suspects() if noted else np.zeros(0, np.int32)

    def advance(self, marks: MarksSet, first: int, last: int) -> tuple[int, Int32s]:  # noqa: ARG002 one at a time
        rows = slice(int(marks.offsets[first]), int(marks.offsets[first + 1]))
        good = np.isfinite(marks.prices[rows])
        self._state.prices[marks.factors[rows][good]] = marks.prices[rows][good]
        return first, self.suspects()

    def time_passes(self, time_ms: int) -> Int32s:  # noqa: ARG002 the state has it
        return self.suspects()

    def suspects(self) -> Int32s:
        rows = self._state.book.units
        chosen = (rows["kind"] != UnitKind.IN_HOUSE) & (rows["status"] != UnitStatus.CLOSED)
        return np.flatnonzero(chosen).astype(np.int32)
