"""What would liquidate whom: distances and liquidation maps, read from the columns.

Along one direction the excess of a unit is concave (continuous tiers, haircuts that only grow), so
from a healthy unit it crosses zero at most once on each side; the first step of a ladder of moves
at which a unit is no longer cleared is found by halving, with the kernel that margins the fleet.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import excess_pass
from keelmark.book.kernels.subset import first_step_kernel, notional_kernel
from keelmark.engine.state import State
from keelmark.lab.arrays import totals
from keelmark.lab.fleet.glimpse import Glimpse

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
    glimpse: Glimpse,
    units: Int32s,
    prices: Floats,
    instrument: int = -1,
) -> Ladder:
    """Return the first step at which each unit is no longer cleared.

    Args:
        glimpse: The columns.
        units: Healthy units.
        prices: (steps, factors): the price column after each step, moves growing with the step.
        instrument: Whose notional is counted; -1 counts all.
    """
    step = np.zeros(len(units), np.int64)
    first_step_kernel(units, 1.0, glimpse.tables, prices, step)
    notional = np.zeros((len(units), 2))
    notional_kernel(instrument, units, glimpse.tables, notional)
    return Ladder(units, step, notional)


def joint_ladder(glimpse: Glimpse, units: Int32s, moves: Floats) -> Ladder:
    """Return the ladder along which every price but that of stable assets moves alike.

    Args:
        glimpse: The columns.
        units: Units asked about.
        moves: Relative changes, growing in size, one sign.
    """
    prices = np.tile(glimpse.tables.prices, (len(moves), 1))
    prices[:, glimpse.moving] *= 1.0 + moves[:, None]
    return ladder(glimpse, units, prices)


def instrument_ladder(glimpse: Glimpse, units: Int32s, instrument: int, moves: Floats) -> Ladder:
    """Return the ladder along which only one instrument's mark moves."""
    factor = int(glimpse.universe.instruments[instrument]["mark_factor"])
    prices = np.tile(glimpse.tables.prices, (len(moves), 1))
    prices[:, factor] *= 1.0 + moves
    return ladder(glimpse, units, prices, instrument)


def holders_of(glimpse: Glimpse, instrument: int) -> Int32s:
    """Return the client units that hold an instrument."""
    tables = glimpse.tables
    held = tables.positions["instrument"][: glimpse.positions] == instrument
    units = tables.units[: glimpse.units]
    starts, counts = units["positions_start"], units["positions_count"]
    ahead = np.concatenate(([0], np.cumsum(held)))
    found = (counts > 0) & (ahead[starts + counts] > ahead[starts])
    found[: glimpse.first_unit] = False
    return np.flatnonzero(found).astype(np.int32)


def open_units(glimpse: Glimpse) -> Int32s:
    """Return the client units with a position."""
    units = np.flatnonzero(glimpse.tables.units["positions_count"][: glimpse.units] > 0)
    return units[units >= glimpse.first_unit].astype(np.int32)


def equities(state: State) -> Floats:
    """Return the equity of every unit after haircuts, valuation currency, in-house units too."""
    result, error = np.zeros(state.book.units_count), np.zeros(state.book.units_count)
    excess_pass(state.tables(), 0.0, result, error, 0, state.book.units_count)
    return result
