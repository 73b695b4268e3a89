"""Historical returns of coins: betas against a market, and how they move together.

Read from canonical bars (Parquet with `ts_ms`, `symbol`, `close`), or from a table of returns with
one column a coin (CSV or Parquet). Statistics are floats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput, UnreadableData, nearest
from keelmark.risk.history.changes import ROWS_MIN, changes_of, period_for
from keelmark.risk.history.closes import (
    COLUMNS,
    Closes,
    Times,
    closes_of,
    coin_named,
    named_once,
    when,
)
from keelmark.risk.history.periods import DAY_MS, HOUR_MS, milliseconds, period_words
from keelmark.risk.symbols import coin_of

__all__ = ["AUTO", "Array", "Returns", "coin_named", "read_returns"]

AUTO = "auto"
"""As period: the longest up to a day that leaves five hundred changes."""

_TIMES = ("ts_ms", "time", "date", "timestamp")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Returns:
    """Relative changes, one row a period, one column a coin.

    Attributes:
        coins: Names of the columns.
        values: Changes, fractions.
        period: What one row spans, in words.
        days: What one row spans; `None` where the file does not tell.
        source: Where they come from.
        times: End of each, ms since 1970; `None` where the file does not tell.
        notes: What was left out, repaired or assumed on the way.
    """

    coins: tuple[str, ...]
    values: Array
    period: str
    days: float | None
    source: str
    times: Times | None = None
    notes: tuple[str, ...] = ()

    @property
    def logs(self) -> Array:
        """Logarithms of one plus each change: what adds up over time."""
        return np.log1p(self.values)

    def of(self, coins: Sequence[str]) -> "Returns":
        """Return the columns of these coins, in this order.

        Raises:
            InvalidInput: A coin has no returns here.
        """
        columns = [self._column(coin) for coin in coins]
        return replace(self, coins=tuple(coins), values=self.values[:, columns])

    def like(self, standing: Mapping[str, str]) -> "Returns":
        """Return these with coins that move as others here do, which is noted.

        Args:
            standing: The other by the coin that has no returns of its own.

        Raises:
            InvalidInput: The other has none either, or the coin has its own.
        """
        for coin in standing:
            if coin in self.coins:
                msg = f"{self.source} has returns of {coin}: nothing needs to stand for them"
                raise InvalidInput(msg)
        columns = [*range(len(self.coins)), *map(self._column, standing.values())]
        notes = [f"{coin} is taken to move as {other}" for coin, other in standing.items()]
        return replace(
            self,
            coins=(*self.coins, *standing),
            values=self.values[:, columns],
            notes=(*self.notes, *notes),
        )

    def until(self, end_ms: int) -> "Returns":
        """Return the changes that had ended by a time, which is noted; needs their times."""
        if self.times is None:
            msg = f"{self.source} does not tell when its changes were"
            raise InvalidInput(msg)
        is_past = self.times <= end_ms
        lost = int((~is_past).sum())
        note = f"{lost:,} changes after {when(end_ms)} UTC: left out, nobody knew them then"
        return replace(
            self,
            values=self.values[is_past],
            times=self.times[is_past],
            notes=(*self.notes, *((note,) if lost else ())),
        )

    @property
    def covariance(self) -> Array:
        """Covariance of the changes; by day where the file tells what a row spans."""
        matrix: Array = np.atleast_2d(np.cov(self.values, rowvar=False, ddof=1))
        return matrix if self.days is None else matrix / self.days

    @property
    def horizon(self) -> str:
        """What a standard deviation spans, in words."""
        if self.days is None:
            return self.period
        return "a day" if self.days == 1.0 else f"a day: {1 / self.days:,.6g} rows of {self.period}"

    def betas(self, market: str, coins: Sequence[str]) -> dict[str, Decimal]:
        """Return the least-squares slope of each coin's change on the market's.

        Raises:
            InvalidInput: A coin has no returns here, or the market stands still.
        """
        own = self.values[:, self._column(market)]
        spread = float(np.var(own, ddof=1))
        if spread <= 0.0:
            msg = f"{self.source}: {market} stands still, so nothing has a beta to it"
            raise InvalidInput(msg)
        found: dict[str, Decimal] = {}
        for coin in coins:
            joint = np.cov(self.values[:, self._column(coin)], own, ddof=1)[0, 1]
            found[coin] = Decimal(repr(round(float(joint) / spread, 12)))
        return found

    def covariance_of(self, coins: Sequence[str]) -> Array:
        """Return the covariance of these coins, in this order; raises as `betas`."""
        columns = [self._column(coin) for coin in coins]
        return self.covariance[np.ix_(columns, columns)]

    def volatilities(self, coins: Sequence[str]) -> Volatilities:
        """Return how much those of these coins move that have returns here, and how together.

        A coin is found by its own name or by what it bundles: `kPEPE` moves as `PEPE`.
        """
        named = {c: next((n for n in (c, coin_of(c)[0]) if n in self.coins), None) for c in coins}
        columns = {coin: self._column(name) for coin, name in named.items() if name is not None}
        matrix = self.covariance
        return Volatilities(
            by_coin={coin: float(np.sqrt(matrix[i, i])) for coin, i in columns.items()},
            covariance={
                (one, other): float(matrix[i, j])
                for one, i in columns.items()
                for other, j in columns.items()
            },
            horizon=self.horizon,
            source=self.source,
        )

    def _column(self, coin: str) -> int:
        if coin not in self.coins:
            msg = f"{self.source} has no returns of {coin}; {nearest(coin, self.coins)}"
            raise InvalidInput(msg)
        return self.coins.index(coin)


def read_returns(
    path: str | Path | Sequence[str | Path],
    *,
    every: str | None = None,
    coins: Sequence[str] | None = None,
    ahead_ms: int = 0,
    until_ms: int | None = None,
) -> Returns:
    """Return the returns in a file, or in several of bars together.

    Args:
        path: Where they are.
        every: Period of a change: 5m, 1h, 8h, 1d; `auto` for the longest up to a day that leaves
            five hundred; as the file has them where it is not given.
        coins: Only those of these that are there: a coin nobody asks for drops no rows.
        ahead_ms: How far the clock of bars runs ahead of UTC, which is taken off and noted.
        until_ms: Bars that end later are left out.

    Raises:
        UnreadableData: It is no table of bars or returns, or holds fewer than twenty changes.
        InvalidInput: The period is not a whole number of bars.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    frames = [_frame(each) for each in paths]
    source = ", ".join(map(str, paths))
    if all(set(frame.columns) >= set(COLUMNS) for frame in frames):
        whole = pl.concat([f.select(COLUMNS) for f in frames])
        closes = closes_of(whole.with_columns(pl.col("ts_ms") - ahead_ms), source)
        if coins is not None and any(coin in closes.coins for coin in coins):
            closes = closes.only(coins)
        found = _of_bars(closes if until_ms is None else _before(closes, until_ms), every)
        if not ahead_ms:
            return found
        note = f"the bars' clock was {ahead_ms / HOUR_MS:+g} hours of UTC: taken off"
        return replace(found, notes=(*found.notes, note))
    if len(frames) > 1 or every not in (None, AUTO) or ahead_ms:
        msg = f"{source}: only bars (ts_ms, symbol, close) can be joined, or taken by --every"
        raise UnreadableData(msg)
    return _table(frames[0], source)


def _frame(path: str | Path) -> pl.DataFrame:
    file = Path(path)
    try:
        return pl.read_csv(file) if file.suffix.lower() == ".csv" else pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        msg = f"{path}: cannot be read as CSV or Parquet ({error})"
        raise UnreadableData(msg) from error


def _before(closes: Closes, end_ms: int) -> Closes:
    found = closes.until(end_ms)
    if not len(found.times) and len(closes.times):
        msg = (
            f"{closes.source} begins {when(closes.times[0])}, after {when(end_ms)}; give bars from "
            "before it, or --until end to use these all the same"
        )
        raise UnreadableData(msg)
    return found


def _of_bars(closes: Closes, every: str | None) -> Returns:
    """Return the changes between closes, at the times at which every coin has one."""
    period = period_for(closes) if every == AUTO else every and milliseconds(every)
    found = changes_of(closes, period or None)
    return Returns(
        coins=closes.coins,
        values=found.values,
        period=period_words(found.step_ms),
        days=found.step_ms / DAY_MS,
        source=closes.source,
        times=found.times,
        notes=found.notes,
    )


def _table(frame: pl.DataFrame, source: str) -> Returns:
    """Return a table of returns; a column of times is left out."""
    numbers = [n for n in frame.columns if n not in _TIMES and frame[n].dtype.is_numeric()]
    if not numbers:
        msg = f"{source}: neither bars (ts_ms, symbol, close) nor columns of returns by coin"
        raise UnreadableData(msg)
    names = named_once(numbers, source)
    whole = frame.select(names.values()).drop_nulls()
    values = whole.to_numpy().astype(np.float64)
    if not bool(np.all(np.isfinite(values) & (values > -1.0))):
        msg = f"{source}: returns must be finite and above -1; are these prices?"
        raise UnreadableData(msg)
    if len(values) < ROWS_MIN:
        msg = f"{source}: {len(values)} changes; at least {ROWS_MIN} are needed"
        raise UnreadableData(msg)
    lost = len(frame) - len(whole)
    notes = (f"{lost:,} rows without a number for every coin: left out",) if lost else ()
    return Returns(
        coins=tuple(names), values=values, period="a row", days=None, source=source, notes=notes
    )
