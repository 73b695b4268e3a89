"""Prices that no market had: one bar away from its neighbours, and nothing else moved with it."""

import warnings

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ROBUST_SIGMA = 1.4826
"""Standard deviations of a normal law in one median absolute deviation."""

SIGMAS = 20.0
"""A change this many robust deviations long is looked at: of all bars, and of those around it."""

AROUND = 6
"""Bars before and after that are around it: in a crash they move too, and it is none."""

CHANGE_MIN = 0.05
"""A shorter one never is: stablecoins stand still, and their deviation is nothing."""

UNDONE = 0.1
"""Share of the change that may be left a bar later."""

OTHERS = 0.1
"""Share of the change that the median of the others may have made at that bar."""


def bad_prints(closes: Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which closes are bad prints, and which look like some with nothing to compare with.

    A close is suspect where the change into it is longer than twenty robust deviations of its own
    coin, of all bars and of the six to either side, and at least 5 %, and the next bar undoes nine
    tenths of it. It is a bad print where the others' median change at that bar is below a tenth of
    its own: a crash moves all.

    Args:
        closes: (times, symbols), missing ones NaN.

    Returns:
        Two masks of that shape. Without another symbol nothing is called bad.
    """
    logs = np.log(closes)
    changes = np.diff(logs, axis=0)
    into, out = changes[:-1], changes[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without any change
        scale = ROBUST_SIGMA * np.nanmedian(np.abs(changes), axis=0)
    limit = np.maximum(SIGMAS * np.nan_to_num(scale), CHANGE_MIN)
    is_suspect = (np.abs(into) > limit) & (np.abs(into + out) < UNDONE * np.abs(into))
    bad = np.zeros(closes.shape, dtype=np.bool_)
    alone = np.zeros(closes.shape, dtype=np.bool_)
    for row, column in np.argwhere(is_suspect):
        around = np.abs(changes[max(0, row - AROUND) : row + 2 + AROUND, column])
        if abs(float(into[row, column])) <= SIGMAS * ROBUST_SIGMA * float(np.nanmedian(around)):
            continue
        others = np.abs(np.delete(into[row], column))
        others = others[np.isfinite(others)]
        if not len(others):
            alone[row + 1, column] = True
        elif float(np.median(others)) < OTHERS * abs(float(into[row, column])):
            bad[row + 1, column] = True
    return bad, alone
