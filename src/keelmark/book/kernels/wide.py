"""Sums of many int64 in two limbs: a fleet's total may need more than 64 bits."""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit

Int64s = npt.NDArray[np.int64]

LIMB = 32
LOW_LIMB = 2**32 - 1


@njit
def add_wide(sums: Int64s, row: int, number: int) -> None:
    """Add `number` to the two-limb sum at `row`: `sums[2 * row]` is the high limb."""
    sums[2 * row] += number >> LIMB
    sums[2 * row + 1] += number & LOW_LIMB


@njit
def wide_sum_kernel(numbers: Int64s, sums: Int64s) -> None:
    """Add every number to the sum at row 0; 2**31 numbers fit. Definition: Python's `sum`."""
    for row in range(numbers.shape[0]):
        add_wide(sums, 0, numbers[row])


def wide_value(sums: Int64s, row: int = 0) -> int:
    """Return the two-limb sum at `row` as a Python int."""
    return (int(sums[2 * row]) << LIMB) + int(sums[2 * row + 1])


def wide_sum(numbers: Int64s) -> int:
    """Return the exact sum of a column."""
    sums = np.zeros(2, dtype=np.int64)
    wide_sum_kernel(numbers, sums)
    return wide_value(sums)
