"""Tables whose rows are handed out in blocks, and grow by doubling outside kernels."""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.blocks import CLASSES, Int32s, Rows
from keelmark.core.errors import OutOfScale

ROWS_LIMIT = 2**31 - 2
"""Row numbers are 32 bits, and a free-list head is a row number plus one."""


def resized(rows: Rows, capacity: int) -> Rows:
    """Return a zeroed table of `capacity` rows that begins with `rows`."""
    table = np.zeros(capacity, dtype=rows.dtype)
    table[: len(rows)] = rows
    return table


class BlockTable:
    """A record table, one link column of it, and the heads of its free lists.

    Attributes:
        rows: The records; kernels read and write them.
        heads: `(CLASSES + 1,)` free-list heads, then the number of rows ever handed out.
    """

    def __init__(self, dtype: "np.dtype[np.void]", *, link: str, capacity: int = 0) -> None:
        self._link = link
        self.rows: Rows = np.zeros(capacity, dtype=dtype)
        self.heads: Int32s = np.zeros(CLASSES + 1, dtype=np.int32)

    @property
    def used(self) -> int:
        """Rows ever handed out; later rows have never been touched."""
        return int(self.heads[CLASSES])

    @property
    def next_free(self) -> Int32s:
        """The link column, which a freed block's first row lends to its free list."""
        column: npt.NDArray[np.int32] = self.rows[self._link]
        return column

    def reserve(self, rows: int) -> None:
        """Make room for `rows` rows past the ones handed out, doubling the table at least."""
        needed = self.used + rows
        if needed > ROWS_LIMIT:
            msg = (
                f"a table of {self.used} rows cannot take {rows} more: rows are numbered in 32 "
                "bits; split the fleet by account"
            )
            raise OutOfScale(msg)
        if needed > len(self.rows):
            capacity = min(max(needed, 2 * len(self.rows)), ROWS_LIMIT)
            self.rows = resized(self.rows, capacity)

    def free_blocks(self) -> dict[int, tuple[int, ...]]:
        """Return the first rows of the freed blocks of every class, latest first."""
        return {size: self._free_list(size) for size in range(CLASSES)}

    def _free_list(self, block_class: int) -> tuple[int, ...]:
        starts = []
        head = int(self.heads[block_class])
        while head > 0:
            starts.append(head - 1)
            head = int(self.next_free[head - 1])
        return tuple(starts)
