"""Sums over the whole book in two limbs."""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import Int32s, Rows
from keelmark.book.kernels.jit import njit_unlocked
from keelmark.book.kernels.wide import add_wide

Int64s = npt.NDArray[np.int64]


@njit_unlocked
def totals_kernel(
    units: Rows,  # (n_units,) UNIT
    positions: Rows,  # (n_rows,) POSITION
    balances: Rows,  # (n_rows,) BALANCE
    settle: Int32s,  # (n_instruments,) asset
    held: Int64s,  # (2 * n_assets,) sum of balances, two limbs, written
    costs: Int64s,  # (2 * n_assets,) sum of costs, two limbs, written
    longs: Int64s,  # (2 * n_instruments,) sum of positive lots, two limbs, written
    shorts: Int64s,  # (2 * n_instruments,) sum of negative lots, two limbs, written
) -> None:
    """Add every row in use to the sum of its asset or instrument. Definition: Python's `sum`."""
    for unit in range(units.shape[0]):
        start = int(units[unit]["balances_start"])
        for row in range(start, start + int(units[unit]["balances_count"])):
            add_wide(held, int(balances[row]["asset"]), balances[row]["quanta"])
        start = int(units[unit]["positions_start"])
        for row in range(start, start + int(units[unit]["positions_count"])):
            instrument = int(positions[row]["instrument"])
            add_wide(costs, int(settle[instrument]), positions[row]["cost"])
            if positions[row]["lots"] > 0:
                add_wide(longs, instrument, positions[row]["lots"])
            else:
                add_wide(shorts, instrument, positions[row]["lots"])
