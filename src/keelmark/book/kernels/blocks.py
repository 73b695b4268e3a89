"""Blocks of rows: the rows of one unit lie together, capacity 1, 2, 4, ...

A pool of rows is a record table, a link column of it (`next_free`, int32: in the first row of a
freed block it holds the next freed block of that class) and `heads` (int32): `heads[c]` is one more
than the first row of the latest freed block of capacity `2**c`, 0 where none is free;
`heads[CLASSES]` counts the rows ever handed out. Kernels never allocate memory: they answer
`NO_ROOM`, the caller grows the table and calls again.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit

CLASSES = 16
"""A block holds at most 2**15 rows."""

NO_BLOCK = -1
"""The class of a unit without a block."""

NO_ROOM = -1
"""Returned instead of a row when the table has to grow first."""

Rows = npt.NDArray[np.void]
Record = Any  # one row: a pointer inside kernels, `np.void` outside
Int32s = npt.NDArray[np.int32]


@njit
def allocate(next_free: Int32s, heads: Int32s, block_class: int) -> int:
    """Return the first row of a block of `2**block_class` rows, or `NO_ROOM`."""
    head = heads[block_class]
    if head > 0:
        heads[block_class] = next_free[head - 1]
        return int(head - 1)
    row = int(heads[CLASSES])
    end = row + (1 << block_class)
    if end > next_free.shape[0]:
        return NO_ROOM
    heads[CLASSES] = end
    return row


@njit
def release(next_free: Int32s, heads: Int32s, start: int, block_class: int) -> None:
    """Return a block to the free list of its class; `NO_BLOCK` returns nothing."""
    if block_class != NO_BLOCK:
        next_free[start] = heads[block_class]
        heads[block_class] = start + 1


@njit
def grow(rows: Rows, next_free: Int32s, heads: Int32s, start: int, block_class: int) -> int:
    """Move a block to the next class; return its new first row, or `NO_ROOM` (nothing moved).

    The block that is left is on its free list afterwards. `NO_BLOCK` grows to one row.
    """
    moved = allocate(next_free, heads, block_class + 1)
    if moved != NO_ROOM and block_class != NO_BLOCK:
        for offset in range(1 << block_class):
            rows[moved + offset] = rows[start + offset]
        release(next_free, heads, start, block_class)
    return moved
