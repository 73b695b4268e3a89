"""Who can be closed against: one side of an instrument, at the present snapshot.

Which units hold a side changes with fills, what they are worth with every mark. The members of a
side are found once and followed through the units that change; their worth is looked at once a
snapshot, and again for those that change within it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.holders import HOLDER, Int32s, Rows, closable_kernel, holders_kernel
from keelmark.core.codes import UnitKind
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.state import State

REFRESH_SHARE = 0.25
"""Members are found anew once so many more, as a share, would be carried along in vain."""

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sided:
    """Candidates with the leg each of them holds."""

    candidates: Candidates
    legs: Rows


@dataclass(slots=True)
class _Known:
    """What is known of a side, and up to which entry of the log of changes."""

    rows: Rows
    seen: int


@dataclass(slots=True)
class Holders:
    """Remembers the members of each side, and their worth while prices stand still."""

    _log: list[int] = field(default_factory=list)
    _members: dict[Key, tuple[Int32s, int]] = field(default_factory=dict)
    _known: dict[Key, _Known] = field(default_factory=dict)

    def forget(self) -> None:
        """Prices have moved: nobody's worth is known any more."""
        self._known.clear()

    def touched(self, units: Int32s) -> None:
        """Units have changed."""
        self._log.extend(units.tolist())

    def candidates(self, state: State, instrument: int, side: int, loss: float) -> Sided:
        """Return the candidates of a side, in rising unit order.

        Args:
            state: The state.
            instrument: Row of the instrument.
            side: +1 longs, -1 shorts.
            loss: Settle quanta each loses against the mark on a lot.
        """
        rows = self._rows(state, (instrument, side))
        closable = np.zeros(len(rows), np.int64)
        steepest = _steepest(state, instrument)
        closable_kernel(instrument, loss, steepest, state.tables(), rows, closable)
        value = _lot_value(state, instrument)
        kept = closable > 0
        rows, closable = rows[kept], closable[kept]
        lots = rows["lots"].astype(np.int64)
        candidates = Candidates(
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
        return Sided(candidates, rows["leg"])

    def _rows(self, state: State, key: Key) -> Rows:
        """Return the holders of a side as they are now, in rising unit order."""
        known = self._known.get(key)
        if known is None:
            rows = _scan(state, key, self._members_of(state, key))
            known = self._known[key] = _Known(rows, len(self._log))
        elif known.seen < len(self._log):
            again = _sorted_units(self._log[known.seen :])
            known.rows = _replaced(known.rows, again, _scan(state, key, again))
            known.seen = len(self._log)
        return known.rows

    def _members_of(self, state: State, key: Key) -> Int32s:
        """Return every unit that may hold a side, rising: some may have left it since."""
        if key not in self._members:
            self._members[key] = (_holders(state, key), len(self._log))
        members, seen = self._members[key]
        changed = _sorted_units(self._log[seen:])
        if len(changed) > REFRESH_SHARE * len(members):
            members, changed = _holders(state, key), changed[:0]
            self._members[key] = (members, len(self._log))
        return np.union1d(members, changed) if len(changed) else members


def _sorted_units(units: list[int]) -> Int32s:
    return np.unique(np.array(units, np.int32))


def _holders(state: State, key: Key) -> Int32s:
    """Return the client units that hold a side, rising."""
    instrument, side = key
    units, rows = state.book.units, state.book.positions.rows
    used = state.book.positions.used
    held = (rows["instrument"][:used] == instrument) & (rows["lots"][:used] * side > 0)
    ahead = np.concatenate(([0], np.cumsum(held)))
    starts = units["positions_start"]
    found = ahead[starts + units["positions_count"]] > ahead[starts]
    found &= units["kind"] != UnitKind.IN_HOUSE
    return np.flatnonzero(found).astype(np.int32)


def _scan(state: State, key: Key, units: Int32s) -> Rows:
    """Return the candidates of a side among units, in their order.

    What reads a price that is not trusted is no candidate: nobody knows what it is worth.
    """
    found = np.empty(len(units), HOLDER)
    count = holders_kernel(key[0], key[1], units, state.tables(), found)
    rows = found[:count]
    return rows[is_known(state, rows["unit"])] if state.untrusted else rows


def is_known(state: State, units: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Return which units read trusted prices alone."""
    blind = (state.depends_on_untrusted(state.book.unit_view(int(unit))) for unit in units)
    return ~np.fromiter(blind, np.bool_, len(units))


def _replaced(rows: Rows, units: Int32s, fresh: Rows) -> Rows:
    """Return rows with those of `units` taken out and the fresh ones put in, order kept."""
    place = np.searchsorted(units, rows["unit"])
    gone = units[np.minimum(place, len(units) - 1)] == rows["unit"]
    kept = rows[~gone]
    return np.insert(kept, np.searchsorted(kept["unit"], fresh["unit"]), fresh)


def _steepest(state: State, instrument: int) -> float:
    terms = state.universe.asset_rows[state.settle_of(instrument)]
    start = int(terms["segment_start"])
    slopes = state.universe.segments["slope"][start : start + int(terms["segment_count"])]
    return max(1.0, float(slopes.max()))


def _lot_value(state: State, instrument: int) -> float:
    """Return the value of one lot at the mark, settle quanta, signed as `records` say."""
    row = state.universe.instruments[instrument]
    price = float(state.prices[row["mark_factor"]])
    scale = float(row["value_scale"])
    return -scale / price if row["inverse"] else scale * price
