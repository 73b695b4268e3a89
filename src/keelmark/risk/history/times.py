"""Times as files hold them: milliseconds since 1970, or dates; anything else is named."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.core.errors import UnreadableData

Times = npt.NDArray[np.int64]

FIRST_MS = 1_230_768_000_000
"""2009, before which no coin was."""

LAST_MS = 4_102_444_800_000
"""2100."""

_UNITS = (
    ("seconds", 1e3, "times 1,000"),
    ("microseconds", 1e-3, "divided by 1,000"),
    ("nanoseconds", 1e-6, "divided by 1,000,000"),
)


def require_times(series: pl.Series, source: str) -> None:
    """Refuse times outside 2009 to 2100, and name the unit they are likely in.

    Raises:
        UnreadableData: One is outside.
    """
    lowest, highest = series.min(), series.max()
    for value in (lowest, highest):
        if isinstance(value, int | float) and not FIRST_MS <= value < LAST_MS:
            msg = f"{source}: {series.name} holds {value:.0f}, {_likely(value)}"
            raise UnreadableData(msg)


def milliseconds_in(series: pl.Series, source: str) -> pl.Series:
    """Return the times of a column, ms since 1970: whole numbers as they are, dates as UTC.

    Raises:
        UnreadableData: They are no times, or outside 2009 to 2100.
    """
    if series.dtype.is_temporal():
        found = _of_dates(series, source)
    elif series.dtype == pl.String:
        found = _of_text(series, source)
    elif series.dtype.is_numeric():
        require_times(series.cast(pl.Float64), source)
        found = series.cast(pl.Int64)
    else:
        raise UnreadableData(_no_times(series, source))
    if found.null_count():
        msg = f"{source}: {found.null_count():,} rows have no {series.name!r}; give each its time"
        raise UnreadableData(msg)
    require_times(found, source)
    return found


def _likely(value: float) -> str:
    for unit, factor, how in _UNITS:
        if FIRST_MS <= value * factor < LAST_MS:
            return f"which looks like {unit} since 1970; give milliseconds ({how})"
    return "which is no time from 2009 to 2100 in milliseconds since 1970"


def _of_dates(series: pl.Series, source: str) -> pl.Series:
    try:
        return series.cast(pl.Datetime("ms")).cast(pl.Int64)
    except pl.exceptions.PolarsError as error:
        raise UnreadableData(_no_times(series, source)) from error


def _of_text(series: pl.Series, source: str) -> pl.Series:
    try:
        moments = [None if text is None else datetime.fromisoformat(text) for text in series]
    except ValueError as error:
        raise UnreadableData(_no_times(series, source)) from error
    aware = [m and (m if m.tzinfo else m.replace(tzinfo=UTC)) for m in moments]
    return pl.Series(series.name, [m and round(m.timestamp() * 1_000) for m in aware], pl.Int64)


def _no_times(series: pl.Series, source: str) -> str:
    return (
        f"{source}: {series.name!r} holds {series.dtype}, no times; give milliseconds since 1970, "
        "or dates as 2025-10-10T21:00"
    )
