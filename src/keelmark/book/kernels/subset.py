"""The excess of chosen units, at any prices: for questions about a part of the fleet."""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import inlined, njit, njit_unlocked
from keelmark.book.kernels.margin import Floats, Tables, excess
from keelmark.core.codes import RuleKind

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

WHOLE = int(RuleKind.WHOLE)


@njit_unlocked
def cleared_kernel(
    units: Int32s,  # (n,)
    level: float,
    tables: Tables,
    cleared: Bools,  # (n,) written
) -> None:
    """Write which units are proved above their level. Definition: `core.maintenance_excess`."""
    for index in range(units.shape[0]):
        spare, error = excess(units[index], level, tables)
        cleared[index] = spare > error


@njit_unlocked
def first_step_kernel(
    units: Int32s,  # (n,)
    level: float,
    tables: Tables,
    prices: Floats,  # (steps, factors)
    step: Int64s,  # (n,) written
) -> None:
    """Write the first row of prices at which each unit is not cleared; their number if none.

    Rows are moves of growing size in one direction: along it what is cleared far out is cleared
    nearer too, so the first is found by halving, after a look at the farthest: most are cleared.
    """
    last = prices.shape[0] - 1
    for index in range(units.shape[0]):
        low, high = -1, prices.shape[0]
        if last >= 0:
            spare, error = excess(units[index], level, at_prices(tables, prices[last]))
            if spare > error:
                low = last
            else:
                high = last
        while high - low > 1:
            middle = (low + high) // 2
            moved = at_prices(tables, prices[middle])
            spare, error = excess(units[index], level, moved)
            if spare > error:
                low = middle
            else:
                high = middle
        step[index] = high


@inlined
def at_prices(tables: Tables, prices: Floats) -> Tables:
    """Return the tables at other prices."""
    return Tables(
        tables.units,
        tables.positions,
        tables.balances,
        tables.instruments,
        tables.tiers,
        tables.assets,
        tables.segments,
        prices,
    )


@njit
def has_jumps(unit: int, tables: Tables) -> bool:
    """Whether a requirement of the unit jumps at a floor: there the error of `excess` is one-sided.

    Near a floor `excess` takes the dearer of two rows.
    """
    row = tables.units[unit]
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        if tables.instruments[tables.positions[at]["instrument"]]["rule_kind"] == WHOLE:
            return True
    return False


@njit
def fallen_kernel(
    units: Int32s,  # (n,)
    level: float,
    tables: Tables,
    fallen: Bools,  # (n,) written
) -> None:
    """Write which units are proved below their level. Definition: `core.maintenance_excess`.

    Capped profit and orders in maintenance, which this does not read, only lower the excess.
    """
    for index in range(units.shape[0]):
        spare, error = excess(units[index], level, tables)
        fallen[index] = spare < -error and not has_jumps(units[index], tables)


@njit_unlocked
def notional_kernel(
    instrument: int,
    units: Int32s,  # (n,)
    tables: Tables,
    notional: Floats,  # (n, 2) settle quanta, long and short, written
) -> None:
    """Write the notional of units' positions, in one instrument or in all (-1)."""
    for index in range(units.shape[0]):
        row = tables.units[units[index]]
        notional[index, 0] = 0.0
        notional[index, 1] = 0.0
        for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
            position = tables.positions[at]
            if instrument >= 0 and position["instrument"] != instrument:
                continue
            terms = tables.instruments[position["instrument"]]
            price = tables.prices[terms["mark_factor"]]
            x = 1.0 / price if terms["inverse"] else price
            side = 0 if position["lots"] > 0 else 1
            notional[index, side] += abs(float(position["lots"])) * terms["value_scale"] * x
