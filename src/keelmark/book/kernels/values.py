"""The value of lots at a price, in whole settle quanta."""

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit
from keelmark.book.kernels.muldiv import OVERFLOW, mul_div_kernel, product_kernel
from keelmark.book.records import SIZE_LIMIT

Int64s = npt.NDArray[np.int64]
Int8s = npt.NDArray[np.int8]


@njit
def value_kernel(lots: int, ticks: int, unit_value: int, inverse: int, rounding: int) -> int:
    """Return the signed value of `lots` at `ticks`, or `OVERFLOW`.

    Linear: `lots * ticks * unit_value`, exact. Inverse: `-lots * unit_value / ticks`, rounded once.
    """
    if ticks < 1 or ticks > SIZE_LIMIT:
        return OVERFLOW
    if inverse != 0:
        return mul_div_kernel(-lots, unit_value, ticks, rounding)
    return product_kernel(product_kernel(lots, ticks), unit_value)


@njit
def values_kernel(
    lots: Int64s,  # (n,) signed
    ticks: Int64s,  # (n,)
    unit_value: Int64s,  # (n,) of the row's instrument
    inverse: Int8s,  # (n,)
    rounding: int,
    values: Int64s,  # (n,) settle quanta, written
) -> None:
    """Write each row's `value_kernel`."""
    for row in range(lots.shape[0]):
        values[row] = value_kernel(lots[row], ticks[row], unit_value[row], inverse[row], rounding)
