"""A table of returns by coin: what its rows span is read from its times, never guessed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from keelmark.core.errors import InvalidInput, UnreadableData
from keelmark.risk.history.changes import ROWS_MIN, longest_period
from keelmark.risk.history.closes import Array, named_once, when
from keelmark.risk.history.periods import period_words
from keelmark.risk.history.times import Times, milliseconds_in

TIMES = ("ts_ms", "ts", "timestamp", "time", "date", "datetime")
"""Names of a column of times, the first one that is there."""

INDEX = ("", "index", "Unnamed: 0")
"""What an index without a name is written as."""

SAME_STEP_MIN = 0.5
"""Share of the rows one span apart below which there is no span of a row."""

MEDIAN_MAX = 0.5
"""Half of the changes of a coin are never longer: prices and percents are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Returns row by row.

    Attributes:
        coins: Names of the columns.
        values: (rows, coins), fractions.
        times: End of each, ms since 1970; `None` where there are no times.
        step_ms: What a row spans; `None` where there are no times.
        notes: What was left out.
        source: The file.
    """

    coins: tuple[str, ...]
    values: Array
    times: Times | None
    step_ms: int | None
    notes: tuple[str, ...]
    source: str

    def by(self, period: int) -> "Rows":
        """Return the returns over a longer period, of whole periods of UTC only.

        Raises:
            InvalidInput: It is no whole number of rows.
        """
        if self.times is None or self.step_ms is None or period == self.step_ms:
            return self
        if period % self.step_ms:
            msg = (
                f"{self.source}: a row spans {period_words(self.step_ms)}, of which "
                f"{period_words(period)} is no whole number; give another --every"
            )
            raise InvalidInput(msg)
        ends = -(-self.times // period) * period
        kept, first, counts = np.unique(ends, return_index=True, return_counts=True)
        is_whole = counts == period // self.step_ms
        sums = np.add.reduceat(np.log1p(self.values), first, axis=0)
        lost = int((~is_whole).sum())
        note = f"{lost:,} periods of {period_words(period)} that lack a row: left out"
        return _enough(
            replace(
                self,
                values=np.expm1(sums[is_whole]),
                times=kept[is_whole],
                step_ms=period,
                notes=(*self.notes, *((note,) if lost else ())),
            )
        )

    def auto(self) -> "Rows":
        """Return the returns over the longest period up to a day that leaves five hundred."""
        if self.times is None or self.step_ms is None:
            return self
        return self.by(longest_period(self.step_ms, int(self.times[-1] - self.times[0])))


def rows_of(frame: pl.DataFrame, source: str, coins: Sequence[str] | None = None) -> Rows:
    """Return the rows of a table of returns.

    A time is that at which a row begins, as with bars; its end is one row later.

    Args:
        frame: One column a coin, and one of times where there is one.
        source: The file.
        coins: Only those of these that are there.

    Raises:
        UnreadableData: It holds no returns, or times that tell no span.
    """
    clock = _clock(frame)
    names = _coins(frame, source, coins)
    notes: list[str] = []
    step = times = None
    if clock is not None:
        starts = milliseconds_in(frame[clock], source)
        frame, lost = _single(frame.with_columns(starts.alias(clock)), clock, list(names.values()))
        notes += lost
        times = frame[clock].to_numpy()
        step = _step(times, source)
    values = frame.select(pl.col(n).cast(pl.Float64).fill_nan(None) for n in names.values())
    has_all = values.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    if not has_all.all():
        notes.append(f"{int((~has_all).sum()):,} rows without a number for every coin: left out")
    kept = has_all
    if times is not None and step is not None:
        is_next = np.concatenate(([True], np.diff(times) == step))
        if not is_next.all():
            notes.append(f"{int((~is_next).sum()):,} rows after gaps: left out, they may span them")
        kept = has_all & is_next
        times = times[kept] + step
    return _enough(
        Rows(
            coins=tuple(names),
            values=_changes(values.to_numpy()[kept], tuple(names), source),
            times=times,
            step_ms=step,
            notes=tuple(notes),
            source=source,
        )
    )


def _clock(frame: pl.DataFrame) -> str | None:
    """Return the column of times, if there is one."""
    named = {n.strip().lower(): n for n in frame.columns if n == n.lower() or not n.isupper()}
    for name in TIMES:
        if name in named:
            return named[name]
    for name in INDEX:
        if name in frame.columns and not _is_count(frame[name]):
            return name
    return None


def _is_count(series: pl.Series) -> bool:
    """Whether an index counts rows: small whole numbers are no times of any unit."""
    highest = series.max() if series.dtype.is_numeric() else None
    return isinstance(highest, int | float) and highest < 1e9  # noqa: PLR2004 2001 in seconds


def _coins(frame: pl.DataFrame, source: str, coins: Sequence[str] | None) -> dict[str, str]:
    numbers = [
        name
        for name in frame.columns
        if name != _clock(frame) and name not in (*TIMES, *INDEX) and frame[name].dtype.is_numeric()
    ]
    if not numbers:
        msg = f"{source}: neither bars (ts_ms, symbol, close) nor columns of returns by coin"
        raise UnreadableData(msg)
    found = dict(named_once(numbers, source))
    if coins is None:
        return found
    kept = {coin: name for coin, name in found.items() if coin in coins}
    if not kept:
        msg = (
            f"{source}: none of its columns ({_listed(numbers)}) is one of the coins asked for "
            f"({_listed(coins)}); name columns as coins"
        )
        raise UnreadableData(msg)
    return kept


def _listed(names: Sequence[str]) -> str:
    shown = 8
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def _single(frame: pl.DataFrame, clock: str, names: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows by rising time, each time once; contradicting ones are both left out."""
    whole = frame.select(clock, *names).sort(clock)
    once = whole.unique(maintain_order=True)
    is_clash = once[clock].is_duplicated()
    left = once.filter(~is_clash)
    notes = []
    if len(whole) > len(once):
        notes.append(f"{len(whole) - len(once):,} rows doubled: left out")
    if is_clash.any():
        times = once.filter(is_clash)[clock]
        notes.append(
            f"{times.n_unique():,} times with rows that contradict each other, the first "
            f"{when(int(times[0]))}: all left out, which is right is not known"
        )
    return left, notes


def _step(times: Times, source: str) -> int:
    """Return the usual distance between rows."""
    if len(times) <= ROWS_MIN:
        msg = f"{source}: {len(times)} rows with times; more than {ROWS_MIN} are needed"
        raise UnreadableData(msg)
    lengths, counts = np.unique(np.diff(times), return_counts=True)
    step, share = int(lengths[np.argmax(counts)]), float(counts.max() / counts.sum())
    if share < SAME_STEP_MIN:
        msg = (
            f"{source}: its rows are no fixed span apart ({period_words(step)} is the most common, "
            f"{share * 100:.0f} % of them); give returns over one period each"
        )
        raise UnreadableData(msg)
    return step


def _changes(values: Array, coins: tuple[str, ...], source: str) -> Array:
    if not bool(np.all(np.isfinite(values) & (values > -1.0))):
        msg = f"{source}: returns must be finite and above -1; are these prices?"
        raise UnreadableData(msg)
    for coin, column in zip(coins, values.T, strict=True):
        middle = float(np.median(np.abs(column))) if len(column) else 0.0
        if middle > MEDIAN_MAX:
            msg = (
                f"{source}: half of the returns of {coin} are longer than {middle:g}; are these "
                "prices or percents? Give fractions, 0.01 for 1 %"
            )
            raise UnreadableData(msg)
    return values


def _enough(rows: Rows) -> Rows:
    if len(rows.values) < ROWS_MIN:
        msg = f"{rows.source}: {len(rows.values)} changes; at least {ROWS_MIN} are needed"
        raise UnreadableData(msg)
    return rows
