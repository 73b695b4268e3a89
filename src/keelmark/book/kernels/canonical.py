"""Copy rows out of their blocks into the one order that does not depend on history."""

from keelmark.book.kernels.blocks import Record, Rows
from keelmark.book.kernels.jit import inlined, njit


@inlined
def position_before(one: Record, other: Record) -> bool:
    """Whether one position sorts before another: by instrument, then leg."""
    if one["instrument"] == other["instrument"]:
        return bool(one["leg"] < other["leg"])
    return bool(one["instrument"] < other["instrument"])


@njit
def canonical_positions_kernel(
    units: Rows,  # (n,) UNIT
    positions: Rows,  # (n_rows,) POSITION
    canonical: Rows,  # (sum of counts,) POSITION, zeroed, written
) -> None:
    """Write every unit's positions sorted by instrument and leg. Definition: `sorted`."""
    end = 0
    for unit in range(units.shape[0]):
        first = end
        start = int(units[unit]["positions_start"])
        for row in range(start, start + int(units[unit]["positions_count"])):
            place = end
            while place > first and position_before(positions[row], canonical[place - 1]):
                canonical[place] = canonical[place - 1]
                place -= 1
            canonical[place] = positions[row]
            canonical[place]["spare"] = 0
            end += 1


@njit
def canonical_balances_kernel(
    units: Rows,  # (n,) UNIT
    balances: Rows,  # (n_rows,) BALANCE
    counts: Rows,  # (n,) UNIT, `balances_count` written: balances that are not zero
    canonical: Rows,  # (sum of counts,) BALANCE, written
) -> int:
    """Write every unit's balances that are not zero, sorted by asset; return how many."""
    end = 0
    for unit in range(units.shape[0]):
        first = end
        start = int(units[unit]["balances_start"])
        for row in range(start, start + int(units[unit]["balances_count"])):
            if balances[row]["quanta"] != 0:
                place = end
                while place > first and balances[row]["asset"] < canonical[place - 1]["asset"]:
                    canonical[place] = canonical[place - 1]
                    place -= 1
                canonical[place] = balances[row]
                canonical[place]["spare"] = 0
                end += 1
        counts[unit]["balances_count"] = end - first
    return end
