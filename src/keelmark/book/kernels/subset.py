"""The excess of chosen units, at any prices: for questions about a part of the fleet."""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.margin import Floats, Tables, excess
from keelmark.core.codes import RuleKind

Int32s = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

WHOLE = int(RuleKind.WHOLE)


@njit
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


@njit
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
