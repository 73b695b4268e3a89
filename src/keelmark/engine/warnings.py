"""Warning levels and the margin call: who crossed one, who came back.

Levels count from one; the margin call is the last. A unit is watched at the next level it has not
reached, by multiplying its maintenance margin (docs/decisions/0004-warnings-by-the-screen.md).
"""

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Tables, excess
from keelmark.core.codes import UnitStatus
from keelmark.core.numbers import exact
from keelmark.engine.state import State

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int8s = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

UNKNOWN = -1
"""Neither reached nor not: a price is missing, or the unit has no kernel face."""


@njit
def has_nothing_at_risk(unit: int, tables: Tables) -> bool:
    """Whether a unit holds no position and owes nothing: no level applies to it."""
    row = tables.units[unit]
    if row["positions_count"] > 0:
        return False
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        if tables.balances[at]["quanta"] < 0:
            return False
    return True


@njit
def levels_kernel(
    units: Int32s,  # (n,)
    multiples: Floats,  # (n_levels,) falling: of the first level first
    tables: Tables,
    reached: Int8s,  # (n,) levels reached, written
) -> None:
    """Write how many levels each unit has reached, `UNKNOWN` where the screen cannot tell."""
    for index in range(units.shape[0]):
        count = 0
        levels = 0 if has_nothing_at_risk(units[index], tables) else multiples.shape[0]
        for level in range(levels):
            spare, error = excess(units[index], multiples[level], tables)
            if spare > error:
                break
            if not spare <= error:
                count = UNKNOWN
                break
            count = level + 1
        reached[index] = count


def reached(state: State, units: Int32s, multiples: list[float], had: Int8s) -> Int8s:
    """Return how many of the levels each unit has reached.

    A unit without a kernel face is asked in `core`; one whose prices are not known stays as it is.
    """
    result = np.zeros(len(units), np.int8)
    levels_kernel(units, np.array(multiples), state.tables(), result)
    for index in np.flatnonzero(result == UNKNOWN).tolist():
        unit = int(units[index])
        if state.depends_on_untrusted(state.book.unit_view(unit)):
            result[index] = had[index]
        else:
            report = state.report(unit)
            with exact():
                needed = [report.maintenance_margin * Decimal(repr(m)) for m in multiples]
                result[index] = sum(report.equity <= amount for amount in needed)
    return result


def crossings(state: State, units: Int32s) -> dict[int, tuple[int, ...]]:
    """Return the units that reached a higher level than they have, by the level reached."""
    multiples = state.level_multiples
    if not multiples or not len(units):
        return {}
    had = np.array([state.levels.get(int(unit), 0) for unit in units], np.int8)
    now = reached(state, units, multiples, had)
    return _by_level(units, now, _trusted(state, units, now > had))


def recoveries(state: State) -> dict[int, tuple[int, ...]]:
    """Return the warned units that have come back, by the level they now have."""
    units = np.array(sorted(state.levels), np.int32)
    multiples = state.recovery_multiples
    if not multiples or not len(units):
        return {}
    had = np.array([state.levels[int(unit)] for unit in units], np.int8)
    now = reached(state, units, multiples, had)
    return _by_level(units, now, _trusted(state, units, now < had))


def _trusted(state: State, units: Int32s, chosen: Bools) -> Bools:
    """Return the chosen units that are open and whose prices are trusted: no others are told."""
    chosen &= state.book.units["status"][units] != UnitStatus.CLOSED
    if state.untrusted:
        for index in np.flatnonzero(chosen).tolist():
            chosen[index] = not state.depends_on_untrusted(state.book.unit_view(int(units[index])))
    return chosen


def _by_level(units: Int32s, level: Int8s, chosen: Bools) -> dict[int, tuple[int, ...]]:
    return {
        int(value): tuple(units[chosen & (level == value)].tolist())
        for value in np.unique(level[chosen])
    }
