"""Tell the tripwire index what the book did, and ask it who needs a decision."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables
from keelmark.book.tripwires.index import NOBODY, TripwireIndex, TripwireSettings
from keelmark.book.tripwires.net import Int32s, Stream
from keelmark.core.numbers import exact
from keelmark.engine.apply import Touched
from keelmark.engine.events import MarksSet
from keelmark.engine.state import State

Floats = npt.NDArray[np.float64]

FEW = 64
"""Units for which Python's own sets are faster than sorting an array."""


class Watch:
    """The tripwire index of an engine, rebuilt from the book whenever it is lost.

    Changes are collected while a command is carried out and handed over together.
    """

    def __init__(self, state: State, settings: TripwireSettings | None = None) -> None:
        self._state = state
        self._settings = settings
        self._units: list[Int32s] = []
        self._cash: list[npt.NDArray[np.void]] = []
        self._levels: set[int] = set()
        self.index: TripwireIndex
        self.rebuild()

    def rebuild(self) -> Int32s:
        """Forget every wire and place all of them again; return the units that need a decision.

        Levels and trust are the state's: an index that was lost comes back as it was.
        """
        state = self._state
        self.index = TripwireIndex(state.tables(), self._settings or TripwireSettings())
        net = self.index.net
        net.watch["level"] = state.watch_multiple(-1)
        for unit in state.levels.keys() | state.protections.keys():
            net.watch["level"][unit] = state.watch_multiple(unit)
        net.factors["untrusted"][:-1] = 0
        net.factors["untrusted"][list(state.untrusted)] = 1
        net.status["untrusted"] = net.factors["untrusted"].sum()
        self._units, self._cash, self._levels = [], [], set()
        self.index.post([], [], [])  # its kernel is there before the first payment waits for it
        return self.index.replace(np.arange(len(net.watch), dtype=np.int32))

    def note(self, touched: Touched) -> None:
        """Remember what an event touched."""
        if len(touched.units):
            self._units.append(touched.units)
        if touched.cash is not None:
            self._cash.append(touched.cash)
        self._levels.update(touched.levels)

    def flush(self) -> Int32s:
        """Hand over what was touched; return the units that need a decision."""
        if not self._units and not self._cash and not self._levels:
            return NOBODY
        self._rebind()
        units = distinct([*self._units, self._relevel()])
        found = [self.index.replace(units)] if len(units) else []
        if self._cash:
            cash = np.concatenate(self._cash)
            cash = cash[~np.isin(cash["unit"], units)] if len(units) else cash
            if len(cash):
                found.append(self.index.post(cash["unit"], cash["asset"], cash["delta"]))
        self._units, self._cash = [], []
        return distinct(found)

    def advance(self, marks: MarksSet, first: int, last: int) -> tuple[int, Int32s]:
        """Apply snapshots `first` to `last` until one needs a decision.

        Returns:
            The last snapshot applied, and who needs a decision there (nobody at the end).
        """
        stream = self._stream(marks, last)
        stop = self.index.advance(stream, first)
        return min(stop.snapshot, last), stop.units

    def time_passes(self, time_ms: int) -> Int32s:
        """Move the clock of the index, before the state's; return who needs a decision."""
        seconds = (time_ms - self._state.posted_ms) / 1000
        return self.index.apply_snapshot([self._state.universe.time_factor], [seconds])

    def suspects(self) -> Int32s:
        """Return the units at or below the level they are watched at.

        Those without a bound are on no list of the index: `core` is asked about each of them.
        """
        apart = [u for u in self.index.unwatchables().tolist() if self._is_down(u)]
        return np.union1d(self.index.suspects(), apart).astype(np.int32)

    def _is_down(self, unit: int) -> bool:
        """Whether the exact core has a unit at or below the level it is watched at."""
        state = self._state
        if state.depends_on_untrusted(state.book.unit_view(unit)):
            return False
        report = state.report(unit)
        with exact():
            level = Decimal(repr(state.watch_multiple(unit)))
            below = report.equity <= report.maintenance_margin * level
        return report.is_liquidatable or (bool(report.positions) and below)

    def _stream(self, marks: MarksSet, last: int) -> Stream:
        """Return the snapshots up to `last`, with the time where interest accrues with it."""
        offsets = marks.offsets[: last + 2]
        if not self._state.accrues:
            return Stream(offsets, marks.factors, marks.prices)
        clock = (marks.times_ms[: last + 1] - self._state.posted_ms) / 1000.0
        starts = offsets[:-1]
        factors = np.insert(marks.factors[: offsets[-1]], starts, self._state.universe.time_factor)
        prices = np.insert(marks.prices[: offsets[-1]], starts, clock)
        return Stream(offsets + np.arange(last + 2), factors.astype(np.int32), prices)

    def _relevel(self) -> Int32s:
        """Set the multiples at which units are watched now; return the units."""
        if not self._levels:
            return NOBODY
        rows = np.array(sorted(self._levels), np.int32)
        multiples = [self._state.watch_multiple(unit) for unit in rows.tolist()]
        self.index.net.watch["level"][rows] = multiples
        self._levels = set()
        return rows

    def _rebind(self) -> None:
        """Follow the book into tables that have moved or grown."""
        tables = self._state.tables()
        if not _same(tables, self.index.tables):
            old = len(self.index.net.watch)
            self.index.rebind(tables)
            self.index.net.watch["level"][old:] = self._state.watch_multiple(-1)


def distinct(rows: Sequence[Int32s]) -> Int32s:
    """Return the units of some arrays, each once, rising: of a single command they are few."""
    some = [units for units in rows if len(units)]
    if not some:
        return NOBODY
    if sum(map(len, some)) <= FEW:
        return np.array(sorted({unit for units in some for unit in units.tolist()}), np.int32)
    return np.unique(np.concatenate(some)).astype(np.int32)


def _same(new: Tables, old: Tables) -> bool:
    return all(
        a is b
        or (a.shape == b.shape and a.__array_interface__["data"] == b.__array_interface__["data"])
        for a, b in zip(new, old, strict=True)
    )
