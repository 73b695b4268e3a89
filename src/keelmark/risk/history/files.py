"""Files of bars or returns as frames: what is missing or wrong is named."""

from pathlib import Path

import polars as pl

from keelmark.core.errors import UnreadableData
from keelmark.risk.history.times import require_times

COLUMNS = ("ts_ms", "symbol", "close")

OHLC = ("open", "high", "low", "close", "volume")
"""Names that only bars have."""

OHLC_MIN = 3
"""As many of these are no coins."""

_OTHER_NAMES = {
    "ts_ms": ("ts", "time", "timestamp", "date", "datetime", "open_time", "opentime"),
    "symbol": ("ticker", "coin", "pair", "instrument", "market"),
    "close": ("price", "last", "close_price", "closeprice", "closing"),
}
"""What others call the columns of bars."""


def frame_of(path: str | Path) -> pl.DataFrame:
    """Return a table as it is in a file.

    Raises:
        UnreadableData: It is neither CSV nor Parquet, or holds no rows.
    """
    file = Path(path)
    is_text = file.suffix.lower() == ".csv"
    try:
        frame = pl.read_csv(file, infer_schema_length=None) if is_text else pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()
        msg = f"{path}: cannot be read as CSV or Parquet ({reason[0] if reason else 'no reason'})"
        raise UnreadableData(msg) from error
    if frame.is_empty():
        msg = f"{path}: has no rows; give bars (ts_ms, symbol, close) or returns by coin"
        raise UnreadableData(msg)
    return frame


def is_of_bars(frame: pl.DataFrame, source: str) -> bool:
    """Return whether a table is of bars.

    Raises:
        UnreadableData: It would be, with another name for a column.
    """
    if set(frame.columns) >= set(COLUMNS):
        return True
    lower = {name.strip().lower() for name in frame.columns}
    is_like = "symbol" in lower or "close" in lower or len(lower & set(OHLC)) >= OHLC_MIN
    if not is_like:
        return False
    lacking = [_lacking(name, frame) for name in COLUMNS if name not in frame.columns]
    msg = f"{source}: no column {'; no column '.join(lacking)}; bars are ts_ms, symbol, close"
    raise UnreadableData(msg)


def bars_in(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return the columns of bars in their types.

    Raises:
        UnreadableData: A column holds something else, or times outside 2009 to 2100.
    """
    times, symbols, closes = (frame[name] for name in COLUMNS)
    if not times.dtype.is_numeric():
        raise UnreadableData(_wrong(times, source, "whole milliseconds since 1970, UTC"))
    if symbols.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise UnreadableData(_wrong(symbols, source, "names as BTCUSDT"))
    if not closes.dtype.is_numeric():
        raise UnreadableData(_wrong(closes, source, "prices as numbers"))
    require_times(times.cast(pl.Float64), source)
    return frame.select(
        pl.col("ts_ms").cast(pl.Int64, strict=False),
        pl.col("symbol").cast(pl.String),
        pl.col("close").cast(pl.Float64),
    )


def _wrong(series: pl.Series, source: str, fix: str) -> str:
    return f"{source}: column {series.name} holds {series.dtype}; give {fix}"


def _lacking(name: str, frame: pl.DataFrame) -> str:
    """Return a missing column, with the one that is likely it."""
    others = (name, *_OTHER_NAMES[name])
    found = [n for n in frame.columns if n.strip().lower() in others]
    return f"{name} (found {found[0]}: rename it)" if found else name
