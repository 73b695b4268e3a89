"""Array types of the laboratory, and sums by group."""

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Records = npt.NDArray[np.void]


def totals(group: npt.NDArray[np.integer], values: npt.ArrayLike, groups: int) -> Float64Array:
    """Return the sum of `values` in each of `groups` groups, float64 (groups,)."""
    summed = np.bincount(group, np.asarray(values, dtype=np.float64), groups)
    return summed.astype(np.float64, copy=False)
