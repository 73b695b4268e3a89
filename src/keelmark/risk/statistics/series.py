"""What a statistic asks of its data, and the names of what it will not take."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Array = npt.NDArray[np.float64]


def series_of(values: npt.ArrayLike, *, least: int, what: str = "returns") -> Array:
    """Return one series as contiguous floats.

    Args:
        values: Shape (T,).
        least: Observations needed.
        what: Name of the series in messages.

    Raises:
        InvalidInput: Another shape, too few, a number that is not finite, or all the same.
    """
    series = np.ascontiguousarray(values, dtype=np.float64)
    if series.ndim != 1:
        msg = f"{what}: shape {series.shape}; give one series"
        raise InvalidInput(msg)
    return panel_of(series[:, None], least=least, names=(what,))[:, 0].copy()


def panel_of(values: npt.ArrayLike, *, least: int, names: Sequence[str] | None = None) -> Array:
    """Return a panel as contiguous floats.

    Args:
        values: Shape (T, k), one column a name.
        least: Observations needed.
        names: Of the columns, for messages; numbered where they have none.

    Raises:
        InvalidInput: Another shape, too few, a number that is not finite, or a constant column.
    """
    panel = np.ascontiguousarray(values, dtype=np.float64)
    if panel.ndim != 2 or panel.shape[1] == 0:  # noqa: PLR2004 rows and columns
        msg = f"a panel of shape {panel.shape}; give rows of periods and columns of names"
        raise InvalidInput(msg)
    told = column_names(panel.shape[1], names)
    if panel.shape[0] < least:
        msg = (
            f"{', '.join(told[:3])}: {panel.shape[0]} observations, {least} are needed; "
            "give a longer history"
        )
        raise InvalidInput(msg)
    _refuse_gaps(panel, told)
    still = np.flatnonzero(panel.max(axis=0) == panel.min(axis=0))
    if still.size:
        column = int(still[0])
        msg = (
            f"{told[column]} is {panel[0, column] + 0.0:g} in all {panel.shape[0]} observations: "
            "it has no variance; leave it out"
        )
        raise InvalidInput(msg)
    return panel


def column_names(count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of `count` columns, numbered from 0 where there are none.

    Raises:
        InvalidInput: Another number of names.
    """
    if names is None:
        return tuple(f"column {number}" for number in range(count))
    if len(names) != count:
        msg = f"{len(names)} names for {count} columns; give one each"
        raise InvalidInput(msg)
    return tuple(names)


def share_of(value: float, what: str) -> float:
    """Return a number strictly between 0 and 1.

    Raises:
        InvalidInput: It lies elsewhere.
    """
    if not 0.0 < value < 1.0:
        msg = f"{what} is {value}; give a number between 0 and 1"
        raise InvalidInput(msg)
    return float(value)


def _refuse_gaps(panel: Array, names: Sequence[str]) -> None:
    wrong = ~np.isfinite(panel)
    if wrong.any():
        row, column = (int(at) for at in np.argwhere(wrong)[0])
        msg = (
            f"{names[column]}: {panel[row, column]} at observation {row}, "
            f"{int(wrong.sum())} such in all; drop or fill these rows before"
        )
        raise InvalidInput(msg)
