"""Who can be closed against: one side of an instrument, at the present snapshot.

Which units hold a side changes with fills, what they are worth with every mark. The members of a
side are found once and followed through the units that change; their worth is looked at once a
snapshot, and again for those that change within it. A queue is asked for its head alone.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.holders import (
    HOLDER,
    Int32s,
    Rows,
    closable_kernel,
    holders_kernel,
    members_kernel,
)
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.apply import Touched
from keelmark.engine.apportion import exact_sum
from keelmark.engine.liquidation import by_core
from keelmark.engine.state import State

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Score = Callable[[Candidates], Floats]
Key = tuple[int, int]

REFRESH_SHARE = 0.25
"""Members are found anew once as many units, as a share of all, have changed."""

LOG_LEAST = 1024
"""Changes that are remembered at least, beside one for every unit."""

HEAD = 256
"""Candidates of a queue looked at first; eight times as many each time they cannot give enough."""


@dataclass(frozen=True, slots=True)
class Sided:
    """Candidates with the leg each of them holds."""

    candidates: Candidates
    legs: Rows


@dataclass(slots=True)
class _Side:
    """What is known of a side while prices stand still, and up to which entry of the log.

    Attributes:
        units: The units of `rows`, rising.
        rows: One a unit; who can no longer be closed against keeps the row, without room.
        seen: Entries of the log of changes that are in it.
        scores: Place in the queue, once one has asked: larger is earlier.
        stale: Rows that have changed since they were scored.
    """

    units: Int64s
    rows: Rows
    seen: int
    scores: Floats | None = None
    stale: list[Int64s] = field(default_factory=list)

    def renew(self, units: Int32s, fresh: Rows) -> None:
        """Take over what has become of units; those that are candidates are in `fresh`."""
        mine, place = self._find(units)
        self.rows["room"][place[mine]] = 0.0
        known, place = self._find(fresh["unit"])
        self.rows[place[known]] = fresh[known]
        self.stale.append(place[known])
        new = fresh[~known]
        if len(new):
            at = np.searchsorted(self.units, new["unit"])
            self.rows = np.insert(self.rows, at, new)
            self.units = self.rows["unit"].copy()
            self.scores = None

    def scored(self, score: Callable[[Rows], Floats]) -> Floats:
        """Return the score of every row."""
        if self.scores is None:
            self.scores = score(self.rows)
        elif self.stale:
            changed = np.concatenate(self.stale)
            self.scores[changed] = score(self.rows[changed])
        self.stale.clear()
        return self.scores

    def _find(self, units: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.bool_], Int64s]:
        """Return which units have a row, and where each would be."""
        place = np.searchsorted(self.units, units)
        inside = place < len(self.units)
        known = inside.copy()
        known[inside] = self.units[place[inside]] == units[inside]
        return known, place


@dataclass(slots=True)
class Holders:
    """Remembers the members of each side, and their worth while prices stand still."""

    _log: "array[int]" = field(default_factory=lambda: array("i"))
    _longest: int = 0
    _members: dict[Key, tuple[Int32s, int]] = field(default_factory=dict)
    _sides: dict[Key, _Side] = field(default_factory=dict)

    def forget(self) -> None:
        """Prices have moved: nobody's worth is known any more."""
        self._sides.clear()

    def note(self, touched: Touched) -> None:
        """Remember what an event touched."""
        if touched.cash is not None:
            self.forget()
        if not self._members:
            return  # nobody has asked: there is nothing to follow
        self._log.frombytes(touched.units.astype(np.int32, copy=False).tobytes())
        self._log.extend(touched.standing)
        if len(self._log) > self._longest:
            self._restart()

    def _restart(self) -> None:
        """Forget the log and what is read with it: members are found anew when asked for."""
        self.forget()
        self._members.clear()
        self._log = array("i")

    def candidates(self, state: State, instrument: int, side: int, loss: float) -> Sided:
        """Return the candidates of a side, in rising unit order.

        Args:
            state: The state.
            instrument: Row of the instrument.
            side: +1 longs, -1 shorts.
            loss: Settle quanta each loses against the mark on a lot.
        """
        return _sided(state, instrument, loss, self._side(state, (instrument, side)).rows)

    def head(self, state: State, key: Key, loss: float, lots: int, score: Score) -> Sided:
        """Return the head of the queue of a side, in rising unit order: enough to give `lots`.

        Nobody who is left out stands before anybody who is in, so a policy that takes in the order
        of the score chooses the same among these as among all (tests/engine/test_holders.py).

        Args:
            state: The state.
            key: Row of the instrument, and the side: +1 longs, -1 shorts.
            loss: Settle quanta each loses against the mark on a lot.
            lots: Lots that are to be closed.
            score: Of the queue: larger is earlier.
        """
        side = self._side(state, key)
        scores = side.scored(
            lambda rows: score(_columns(state, key[0], rows, _nothing(rows))),
        )
        count = HEAD
        while True:
            sided = _sided(state, key[0], loss, side.rows[_first(scores, count)])
            if count >= len(side.rows) or exact_sum(sided.candidates.closable) >= lots:
                return sided
            count *= 8

    def _side(self, state: State, key: Key) -> _Side:
        """Return the holders of a side as they are now."""
        side = self._sides.get(key)
        if side is None:
            rows = _scan(state, key, self._members_of(state, key))
            side = self._sides[key] = _Side(rows["unit"].copy(), rows, len(self._log))
        elif side.seen < len(self._log):
            again = self._changed_since(side.seen)
            side.renew(again, _scan(state, key, again))
            side.seen = len(self._log)
        return side

    def _members_of(self, state: State, key: Key) -> Int32s:
        """Return every unit that may hold a side, rising: some may have left it since."""
        members, seen = self._members.get(key, (None, 0))
        everybody = state.book.units_count
        self._longest = everybody + LOG_LEAST
        if members is None or len(self._log) - seen > REFRESH_SHARE * everybody:
            members = _holding(state, key, np.arange(everybody, dtype=np.int32))
        elif seen < len(self._log):
            members = np.union1d(members, _holding(state, key, self._changed_since(seen)))
        self._members[key] = members, len(self._log)
        return members

    def _changed_since(self, seen: int) -> Int32s:
        """Return the units that have changed since an entry of the log, rising."""
        return np.unique(np.array(self._log[seen:], np.int32))


def _first(scores: Floats, count: int) -> Int64s:
    """Return the rows of the `count` largest scores, and of those equal to the last, rising."""
    if count >= len(scores):
        return np.arange(len(scores))
    last = len(scores) - count
    return np.flatnonzero(scores >= np.partition(scores, last)[last])


def _nothing(rows: Rows) -> Int64s:
    return np.zeros(len(rows), np.int64)


def _sided(state: State, instrument: int, loss: float, rows: Rows) -> Sided:
    """Return those of the rows that can be closed against, and by how much."""
    closable = _nothing(rows)
    steepest = float(state.steepest(state.universe.assets[state.settle_of(instrument)]))
    closable_kernel(instrument, loss, steepest, state.tables(), rows, closable)
    asked = rows["core"] != 0
    if by_core.realising_costs(state, instrument):
        asked |= closable > 0
    for at in np.flatnonzero(asked).tolist():
        closable[at] = by_core.closable(state, instrument, loss, rows[at])
    kept = closable > 0
    rows = rows[kept]
    return Sided(_columns(state, instrument, rows, closable[kept]), rows["leg"])


def _columns(state: State, instrument: int, rows: Rows, closable: Int64s) -> Candidates:
    """Return rows as the policies read them."""
    value = _lot_value(state, instrument)
    lots = rows["lots"].astype(np.int64)
    return Candidates(
        unit=rows["unit"].astype(np.int64),
        closable=closable,
        lots=lots,
        pnl=lots * value - rows["cost"],
        equity=rows["equity"].copy(),
        notional_total=rows["notional"].copy(),
        entry_value=rows["cost"] / lots,
        mark_value=np.full(len(rows), value),
        maintenance=rows["maintenance"].copy(),
    )


def _holding(state: State, key: Key, units: Int32s) -> Int32s:
    """Return those of the client units that hold a side."""
    found = np.empty(len(units), np.int32)
    return found[: members_kernel(key[0], key[1], units, state.tables(), found)]


def _scan(state: State, key: Key, units: Int32s) -> Rows:
    """Return the candidates of a side among units, in their order.

    What reads a price that is not trusted is no candidate: nobody knows what it is worth.
    """
    found = np.empty(len(units), HOLDER)
    count = holders_kernel(key[0], key[1], units, state.tables(), found)
    rows = found[:count]
    known = rows[is_known(state, rows["unit"])] if state.untrusted else rows
    return by_core.complete(state, key[0], known)


def is_known(state: State, units: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Return which units read trusted prices alone."""
    blind = (state.depends_on_untrusted(state.book.unit_view(int(unit))) for unit in units)
    return ~np.fromiter(blind, np.bool_, len(units))


def _lot_value(state: State, instrument: int) -> float:
    """Return the value of one lot at the mark, settle quanta, signed as `records` say."""
    row = state.universe.instruments[instrument]
    price = float(state.prices[row["mark_factor"]])
    scale = float(row["value_scale"])
    return -scale / price if row["inverse"] else scale * price
