"""Canonical bars: one frozen, validated table of trades, and what is missing from it.

Columns: `ts_ms` (open time, UTC), `symbol`, `open`, `high`, `low`, `close`, `volume`. Bars are
trades, not marks: `market.marks` turns them into marks by a named model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.core.errors import InvalidInput, UnknownInstrument, UnreadableData, nearest

SCHEMA: Mapping[str, pl.DataType] = {
    "ts_ms": pl.Int64(),
    "symbol": pl.String(),
    "open": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Float64(),
}
PRICES = ("open", "high", "low", "close")
_ROWS_SHOWN = 5
_EARLIEST_MS, _LATEST_MS = 100_000_000_000, 100_000_000_000_000  # 1973 to 5138: milliseconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """Validated bars of one or more instruments, sorted by symbol, then time.

    Attributes:
        frame: The canonical columns; every row has passed every check.
        source: Where the rows come from, named in errors and reports.
    """

    frame: pl.DataFrame
    source: str = "memory"

    def __post_init__(self) -> None:
        """Refuse a table that is not canonical, naming every problem at once."""
        _require_columns(self.frame, self.source)
        _raise_problems(row_problems(self.frame) + _order_problems(self.frame), self.source)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, *, source: str = "memory") -> "Bars":
        """Return bars from rows in any order; a bad row is named by its place in `frame`."""
        canonical = _cast(frame, source)
        _raise_problems(row_problems(canonical), source)
        return cls(frame=canonical.sort("symbol", "ts_ms"), source=source)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The instruments, sorted."""
        return tuple(self.frame["symbol"].unique().sort())

    @property
    def start_ms(self) -> int:
        """Open time of the first bar."""
        return int(self.frame["ts_ms"].min())  # type: ignore[arg-type]  # never empty, int64

    @property
    def end_ms(self) -> int:
        """Close time of the last bar: its open time plus the interval."""
        return int(self.frame["ts_ms"].max()) + self.interval_ms  # type: ignore[arg-type]  # int64

    @property
    def interval_ms(self) -> int:
        """The time between bars that every instrument shares."""
        return detect_interval_ms(self)

    def select(
        self,
        symbols: Iterable[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> "Bars":
        """Return the bars of `symbols` that open in `[start_ms, end_ms)`.

        Raises:
            UnknownInstrument: A symbol has no bars here.
            UnreadableData: Nothing is left.
        """
        frame = self.frame
        if symbols is not None:
            wanted = tuple(symbols)
            require_symbols(self, wanted)
            frame = frame.filter(pl.col("symbol").is_in(wanted))
        if start_ms is not None:
            frame = frame.filter(pl.col("ts_ms") >= start_ms)
        if end_ms is not None:
            frame = frame.filter(pl.col("ts_ms") < end_ms)
        if frame.is_empty():
            raise UnreadableData(_nothing_left(self, start_ms, end_ms))
        return Bars(frame=frame, source=self.source)

    def write(self, path: Path) -> None:
        """Write canonical Parquet."""
        self.frame.write_parquet(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch without bars between two bars of one instrument."""

    symbol: str
    start_ms: int
    end_ms: int
    bars_missing: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarGrid:
    """Bars as dense matrices on one time axis; NaN where an instrument has no bar.

    Attributes:
        times_ms: Open times, int64 (n_bars,), `interval_ms` apart.
        symbols: Column order.
        open: float64 (n_bars, n_symbols), and so `high`, `low`, `close` and `volume`.
    """

    times_ms: npt.NDArray[np.int64]
    interval_ms: int
    symbols: tuple[str, ...]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]


def read_bars(path: Path | str) -> Bars:
    """Read canonical bars from Parquet. Other formats: `market.importers.import_bars`.

    Raises:
        UnreadableData: Not Parquet, or not canonical bars; every problem is named.
    """
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        msg = f"{path}: cannot be read as Parquet ({error}); import other formats with import_bars"
        raise UnreadableData(msg) from error
    return Bars.from_frame(frame, source=str(path))


def row_problems(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return what is wrong with the rows of a canonical table, rows counted from 1."""
    finite = pl.all_horizontal(pl.col(*PRICES, "volume").is_finite())
    positive = pl.all_horizontal(pl.col(*PRICES) > 0)
    checks = {
        "a value is missing": pl.any_horizontal(pl.all().is_null()),
        "a price or volume is not finite": ~finite,
        "a price is not positive": finite & ~positive,
        "volume is negative": pl.col("volume") < 0,
        "low is above open or close": pl.col("low") > pl.min_horizontal("open", "close"),
        "high is below open or close": pl.col("high") < pl.max_horizontal("open", "close"),
        "ts_ms is not a time in milliseconds": ~pl.col("ts_ms").is_between(
            _EARLIEST_MS, _LATEST_MS
        ),
        "a symbol has two bars at one time": pl.struct("ts_ms", "symbol").is_duplicated(),
    }
    failed = frame.select(
        pl.arg_where(broken.fill_null(value=False)).implode().alias(name)
        for name, broken in checks.items()
    )
    found = ((name, failed[name][0]) for name in checks)
    return tuple(_describe(name, rows) for name, rows in found if len(rows))


def _describe(problem: str, rows: pl.Series) -> str:
    shown = ", ".join(str(row + 1) for row in rows.head(_ROWS_SHOWN))
    more = f" and {len(rows) - _ROWS_SHOWN} more" if len(rows) > _ROWS_SHOWN else ""
    return f"{problem}: row {shown}{more}"


def _order_problems(frame: pl.DataFrame) -> tuple[str, ...]:
    ascending = frame.select("symbol", "ts_ms").equals(
        frame.select("symbol", "ts_ms").sort("symbol", "ts_ms")
    )
    return () if ascending else ("rows are not sorted by symbol and ts_ms; use Bars.from_frame",)


def _require_columns(frame: pl.DataFrame, source: str) -> None:
    found = dict(frame.schema)
    problems = [
        f"column {name}: {found.get(name, 'missing')}, {kind} wanted"
        for name, kind in SCHEMA.items()
        if found.get(name) != kind
    ]
    problems += [f"column {name}: not a bar column" for name in found if name not in SCHEMA]
    if frame.is_empty():
        problems.append("there are no rows")
    _raise_problems(tuple(problems), source)


def _cast(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    missing = [name for name in SCHEMA if name not in frame.columns]
    if missing:
        msg = f"{source}: no column {', '.join(missing)}; found {', '.join(frame.columns)}"
        raise UnreadableData(msg)
    try:
        return frame.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    except pl.exceptions.PolarsError as error:
        msg = f"{source}: a column does not hold numbers: {error}"
        raise UnreadableData(msg) from error


def _raise_problems(problems: tuple[str, ...], source: str) -> None:
    if problems:
        title = f"{source}: {len(problems)} problem(s) in the bars"
        raise UnreadableData("\n".join((title, *(f"  - {problem}" for problem in problems))))


def _nothing_left(bars: Bars, start_ms: int | None, end_ms: int | None) -> str:
    return (
        f"{bars.source}: no bars open in [{start_ms}, {end_ms}) ms; the file holds "
        f"{bars.start_ms} to {int(bars.frame['ts_ms'].max())} ms"  # type: ignore[arg-type]  # int64
    )


def require_symbols(bars: Bars, symbols: Iterable[str]) -> None:
    """Raise `UnknownInstrument` unless every symbol has bars."""
    known = bars.symbols
    for symbol in symbols:
        if symbol not in known:
            msg = f"{bars.source}: no bars of {symbol!r}; {nearest(symbol, known)}"
            raise UnknownInstrument(msg)


def detect_interval_ms(bars: Bars) -> int:
    """Return the most common time between bars, which every instrument must share.

    Raises:
        UnreadableData: One bar only, or instruments with different intervals.
    """
    steps = (
        bars.frame.select("symbol", step=pl.col("ts_ms").diff().over("symbol"))
        .drop_nulls()
        .group_by("symbol")
        .agg(pl.col("step").mode().min())
    )
    intervals = sorted(steps["step"].unique())
    if len(intervals) != 1:
        found = "no two bars of an instrument" if not intervals else f"intervals {intervals} ms"
        msg = f"{bars.source}: {found}; select instruments that share one interval"
        raise UnreadableData(msg)
    return int(intervals[0])


def gaps(bars: Bars) -> tuple[Gap, ...]:
    """Return every stretch where an instrument misses bars between its first and its last."""
    interval = bars.interval_ms
    previous = pl.col("ts_ms").shift(1).over("symbol") + interval
    holes = (
        bars.frame.select("symbol", start=previous, end=pl.col("ts_ms"))
        .filter(pl.col("end") > pl.col("start"))
        .with_columns(missing=-(-(pl.col("end") - pl.col("start")) // interval))
    )
    return tuple(
        Gap(symbol=symbol, start_ms=start, end_ms=end, bars_missing=missing)
        for symbol, start, end, missing in holes.iter_rows()
    )


def grid(bars: Bars, *, start_ms: int | None = None, end_ms: int | None = None) -> BarGrid:
    """Lay bars out on one time axis covering `[start_ms, end_ms)`, NaN where there is no bar.

    Raises:
        UnreadableData: A bar opens off the common grid.
    """
    interval = bars.interval_ms
    origin = bars.start_ms
    _require_on_grid(bars, origin, interval)
    first = origin + ((bars.start_ms if start_ms is None else start_ms) - origin) // interval * (
        interval
    )
    last = bars.end_ms if end_ms is None else end_ms
    if last <= first:
        msg = f"the window ends at {last} ms, before it starts at {first} ms"
        raise InvalidInput(msg)
    count = -(-(last - first) // interval)
    columns = _scatter(bars, first, interval, count)
    times = first + interval * np.arange(count, dtype=np.int64)
    return BarGrid(times_ms=times, interval_ms=interval, symbols=bars.symbols, **columns)


def _require_on_grid(bars: Bars, origin: int, interval: int) -> None:
    off = bars.frame.filter((pl.col("ts_ms") - origin) % interval != 0)
    if not off.is_empty():
        ts_ms, symbol = off.row(0)[:2]
        msg = (
            f"{bars.source}: {off.height} bar(s) open off the {interval} ms grid, the first at "
            f"{ts_ms} of {symbol}; remove them or resample"
        )
        raise UnreadableData(msg)


def _scatter(
    bars: Bars, first: int, interval: int, count: int
) -> dict[str, npt.NDArray[np.float64]]:
    symbols = bars.symbols
    row = (bars.frame["ts_ms"].to_numpy() - first) // interval
    codes = {symbol: code for code, symbol in enumerate(symbols)}
    column = bars.frame["symbol"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
    inside = (row >= 0) & (row < count)
    matrices = {}
    for name in (*PRICES, "volume"):
        matrix = np.full((count, len(symbols)), np.nan)
        matrix[row[inside], column[inside]] = bars.frame[name].to_numpy()[inside]
        matrices[name] = matrix
    return matrices
