"""What would liquidate whom: distances and liquidation maps, read from the columns.

Along one direction the excess of a unit is concave (continuous tiers, haircuts that only grow), so
from a healthy unit it crosses zero at most once on each side; the first step of a ladder of moves
at which a unit is no longer cleared is found by halving, with the kernel that margins the fleet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables, excess_pass
from keelmark.book.kernels.subset import cleared_kernel, notional_kernel
from keelmark.engine.state import State
from keelmark.lab.arrays import totals

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Units by the first step of a ladder of moves that liquidates them.

    Attributes:
        units: The units asked about.
        step: int64 (n,): first step that is not cleared; the number of steps where none is.
        notional: float64 (n, 2): long and short notional, settle quanta.
    """

    units: Int32s
    step: Int64s
    notional: Floats

    def only(self, chosen: Bools) -> "Ladder":
        """Return the same of some of the units."""
        return Ladder(self.units[chosen], self.step[chosen], self.notional[chosen])

    def binned(self, steps: int, side: int) -> tuple[Floats, Int64s]:
        """Return (notional, units) by step, of longs (0) or shorts (1)."""
        chosen = (self.step < steps) & (self.notional[:, side] > 0)
        step = self.step[chosen]
        notional = totals(step, self.notional[chosen, side], steps)
        return notional, np.bincount(step, minlength=steps).astype(np.int64)


def ladder(
    state: State,
    units: Int32s,
    prices_at: Callable[[int], Floats],
    steps: int,
    instrument: int = -1,
) -> Ladder:
    """Return the first step at which each unit is no longer cleared.

    Args:
        state: The engine's state; nothing of it is changed.
        units: Healthy units.
        prices_at: Price column after step `k`, `0 <= k < steps`, moves growing with `k`.
        steps: How many.
        instrument: Whose notional is counted; -1 counts all.
    """
    tables = state.tables()
    columns = [tables._replace(prices=prices_at(k)) for k in range(steps)]
    low = np.full(len(units), -1, np.int64)  # cleared there
    high = np.full(len(units), steps, np.int64)  # not cleared there, or past the end
    while True:
        open_rows = np.flatnonzero(high - low > 1)
        if not len(open_rows):
            break
        middle = (low[open_rows] + high[open_rows]) // 2
        cleared = _cleared(columns, units[open_rows], middle)
        low[open_rows[cleared]] = middle[cleared]
        high[open_rows[~cleared]] = middle[~cleared]
    notional = np.zeros((len(units), 2))
    notional_kernel(instrument, units, tables, notional)
    return Ladder(units, high, notional)


def _cleared(columns: list[Tables], units: Int32s, steps: Int64s) -> Bools:
    """Return which units are cleared, each at its own step."""
    result = np.zeros(len(units), np.bool_)
    order = np.argsort(steps, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(steps[order])) + 1):
        found = np.zeros(len(rows), np.bool_)
        cleared_kernel(units[rows], 1.0, columns[int(steps[rows[0]])], found)
        result[rows] = found
    return result


def joint_ladder(state: State, units: Int32s, moves: Floats) -> Ladder:
    """Return the ladder along which every price but that of stable assets moves alike.

    Args:
        state: The engine's state.
        units: Units asked about.
        moves: Relative changes, growing in size, one sign.
    """
    moving = _moving_factors(state)

    def prices_at(step: int) -> Floats:
        prices = state.prices.copy()
        prices[moving] *= 1.0 + moves[step]
        return prices

    return ladder(state, units, prices_at, len(moves))


def instrument_ladder(state: State, units: Int32s, instrument: int, moves: Floats) -> Ladder:
    """Return the ladder along which only one instrument's mark moves."""
    factor = int(state.universe.instruments[instrument]["mark_factor"])

    def prices_at(step: int) -> Floats:
        prices = state.prices.copy()
        prices[factor] *= 1.0 + moves[step]
        return prices

    return ladder(state, units, prices_at, len(moves), instrument)


def holders_of(state: State, instrument: int, first_unit: int) -> Int32s:
    """Return the client units that hold an instrument."""
    book = state.book
    held = book.positions.rows["instrument"][: book.positions.used] == instrument
    starts = book.units["positions_start"]
    counts = book.units["positions_count"]
    ahead = np.concatenate(([0], np.cumsum(held)))
    found = (counts > 0) & (ahead[starts + counts] > ahead[starts])
    found[:first_unit] = False
    return np.flatnonzero(found).astype(np.int32)


def open_units(state: State, first_unit: int) -> Int32s:
    """Return the client units with a position."""
    units = np.flatnonzero(state.book.units["positions_count"] > 0)
    return units[units >= first_unit].astype(np.int32)


def equities(state: State) -> Floats:
    """Return the equity of every unit after haircuts, valuation currency, in-house units too."""
    result, error = np.zeros(state.book.units_count), np.zeros(state.book.units_count)
    excess_pass(state.tables(), 0.0, result, error, 0, state.book.units_count)
    return result


def _moving_factors(state: State) -> Bools:
    """Return the price rows that move in a joint move: marks, and assets that marks price."""
    bases = {terms.instrument.base for terms in state.model.instruments.values()}
    symbols = set(state.universe.symbols)
    names = [f.name in symbols or f.name in bases for f in state.universe.factors]
    return np.array([*names, False])
