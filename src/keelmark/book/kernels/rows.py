"""Find, add and remove the rows of a unit."""

from keelmark.book.kernels.blocks import CLASSES, NO_BLOCK, NO_ROOM, Int32s, Rows, grow
from keelmark.book.kernels.jit import inlined, njit

ABSENT = -1
"""No such row."""

FULL = -2
"""The unit's block is at its largest class."""

ROWS_LIMIT = 2**15 - 1
"""Rows of one unit: the counts are 16 bits."""


@inlined
def find_position(units: Rows, positions: Rows, unit: int, instrument: int, leg: int) -> int:
    """Return the row of a position, or `ABSENT`."""
    start = int(units[unit]["positions_start"])
    for row in range(start, start + int(units[unit]["positions_count"])):
        if positions[row]["instrument"] == instrument and positions[row]["leg"] == leg:
            return row
    return ABSENT


@inlined
def find_balance(units: Rows, balances: Rows, unit: int, asset: int) -> int:
    """Return the row of a balance, or `ABSENT`."""
    start = int(units[unit]["balances_start"])
    for row in range(start, start + int(units[unit]["balances_count"])):
        if balances[row]["asset"] == asset:
            return row
    return ABSENT


@njit
def grown_block(rows: Rows, next_free: Int32s, heads: Int32s, start: int, block_class: int) -> int:
    """Return the new start of a block one class up, `NO_ROOM`, or `FULL`."""
    if block_class == CLASSES - 1:
        return FULL
    return grow(rows, next_free, heads, start, block_class)


@njit
def add_position(units: Rows, positions: Rows, heads: Int32s, unit: int) -> int:
    """Return a new row at the end of the unit's positions, `NO_ROOM`, or `FULL`."""
    start = int(units[unit]["positions_start"])
    count = int(units[unit]["positions_count"])
    block_class = int(units[unit]["positions_class"])
    if count == ROWS_LIMIT:
        return FULL
    if block_class == NO_BLOCK or count == 1 << block_class:
        start = grown_block(positions, positions["instrument"], heads, start, block_class)
        if start in (NO_ROOM, FULL):
            return start
        units[unit]["positions_start"] = start
        units[unit]["positions_class"] = block_class + 1
    units[unit]["positions_count"] = count + 1
    return start + count


@njit
def add_balance(units: Rows, balances: Rows, heads: Int32s, unit: int) -> int:
    """Return a new row at the end of the unit's balances, `NO_ROOM`, or `FULL`."""
    start = int(units[unit]["balances_start"])
    count = int(units[unit]["balances_count"])
    block_class = int(units[unit]["balances_class"])
    if count == ROWS_LIMIT:
        return FULL
    if block_class == NO_BLOCK or count == 1 << block_class:
        start = grown_block(balances, balances["asset"], heads, start, block_class)
        if start in (NO_ROOM, FULL):
            return start
        units[unit]["balances_start"] = start
        units[unit]["balances_class"] = block_class + 1
    units[unit]["balances_count"] = count + 1
    return start + count


@inlined
def remove_position(units: Rows, positions: Rows, unit: int, row: int) -> None:
    """Remove a row: the unit's last row takes its place; the block is kept for the next one."""
    count = int(units[unit]["positions_count"]) - 1
    positions[row] = positions[int(units[unit]["positions_start"]) + count]
    units[unit]["positions_count"] = count
