"""Historical returns of coins: betas against a market, and how they move together.

Read from canonical bars (Parquet with `ts_ms`, `symbol`, `close`), or from a table of returns with
one column a coin (CSV or Parquet), and one of times (`ts_ms`) that tells what a row spans.
Statistics are floats.
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
from keelmark.risk.history.changes import changes_of, period_for
from keelmark.risk.history.closes import Closes, closes_of, coin_named, when
from keelmark.risk.history.files import bars_in, frame_of, is_of_bars
from keelmark.risk.history.periods import DAY_MS, HOUR_MS, Every, milliseconds, period_words
from keelmark.risk.history.tables import Rows, rows_of
from keelmark.risk.history.times import Times
from keelmark.risk.symbols import coin_of

__all__ = ["AUTO", "Array", "Every", "Returns", "coin_named", "read_returns"]

AUTO = "auto"
"""As period: the longest up to a day that leaves five hundred changes."""

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
            InvalidInput: Coins have no returns here; names them all.
        """
        columns = self._columns(coins)
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
        if not lost:
            return self
        note = f"{lost:,} changes after {when(end_ms)} UTC: left out, nobody knew them then"
        return replace(
            self,
            values=self.values[is_past],
            times=self.times[is_past],
            notes=(*self.notes, note),
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
        for coin, column in zip(coins, self._columns(coins), strict=True):
            joint = np.cov(self.values[:, column], own, ddof=1)[0, 1]
            found[coin] = Decimal(repr(round(float(joint) / spread, 12)))
        return found

    def covariance_of(self, coins: Sequence[str]) -> Array:
        """Return the covariance of these coins, in this order; raises as `betas`."""
        columns = self._columns(coins)
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

    def _columns(self, coins: Sequence[str]) -> list[int]:
        lacking = list(dict.fromkeys(coin for coin in coins if coin not in self.coins))
        if len(lacking) > 1:
            known = ", ".join(self.coins)
            msg = f"{self.source} has no returns of {', '.join(lacking)}; it has {known}"
            raise InvalidInput(msg)
        return [self._column(coin) for coin in coins]

    def _column(self, coin: str) -> int:
        if coin not in self.coins:
            msg = f"{self.source} has no returns of {coin}; {nearest(coin, self.coins)}"
            raise InvalidInput(msg)
        return self.coins.index(coin)


def read_returns(
    path: str | Path | Sequence[str | Path],
    *,
    every: str | Every | None = None,
    coins: Sequence[str] | None = None,
    ahead_ms: int = 0,
    until_ms: int | None = None,
) -> Returns:
    """Return the returns in a file, or in several of bars together.

    Args:
        path: Where they are.
        every: Period of a change: 5m, 1h, 8h, 1d; `auto` for the longest up to a day that leaves
            five hundred; as the file has them where it is not given. An `Every` may say what a row
            of a table without times spans.
        coins: Only those of these that are there: a coin nobody asks for drops no rows.
        ahead_ms: How far the clock of the file runs ahead of UTC, which is taken off and noted.
        until_ms: What ends later is left out.

    Raises:
        UnreadableData: It is no table of bars or returns, or holds fewer than twenty changes.
        InvalidInput: The period is not a whole number of bars.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    asked = every if isinstance(every, Every) else Every(period=every)
    frames = [frame_of(each) for each in paths]
    source = ", ".join(map(str, paths))
    are_bars = [is_of_bars(f, str(p)) for f, p in zip(frames, paths, strict=True)]
    if all(are_bars):
        whole = pl.concat([bars_in(f, str(p)) for f, p in zip(frames, paths, strict=True)])
        closes = closes_of(whole.with_columns(pl.col("ts_ms") - ahead_ms), source)
        if coins is not None and any(coin in closes.coins for coin in coins):
            closes = closes.only(coins)
        period = asked.period
        found = _of_bars(closes if until_ms is None else _before(closes, until_ms), period)
    elif len(frames) > 1:
        msg = f"{source}: only bars (ts_ms, symbol, close) can be joined; give one table of returns"
        raise UnreadableData(msg)
    else:
        found = _of_rows(rows_of(frames[0], source, coins), asked, ahead_ms)
        if until_ms is not None and found.times is not None:
            found = _until(found, until_ms)
    if not ahead_ms:
        return found
    note = f"the bars' clock was {ahead_ms / HOUR_MS:+g} hours of UTC: taken off"
    return replace(found, notes=(*found.notes, note))


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


def _of_rows(rows: Rows, asked: Every, ahead_ms: int) -> Returns:
    """Return a table of returns over the period asked for; without times, over what is said."""
    if rows.times is None:
        return _without_times(rows, asked, ahead_ms)
    rows = replace(rows, times=rows.times - ahead_ms)
    if asked.period is not None:
        rows = rows.auto() if asked.period == AUTO else rows.by(milliseconds(asked.period))
    step = rows.step_ms or DAY_MS
    return Returns(
        coins=rows.coins,
        values=rows.values,
        period=period_words(step),
        days=step / DAY_MS,
        source=rows.source,
        times=rows.times,
        notes=rows.notes,
    )


def _without_times(rows: Rows, asked: Every, ahead_ms: int) -> Returns:
    """Return a table without times: what a row spans is unknown unless it is said."""
    if asked.row not in (None, AUTO):
        said = milliseconds(asked.row or "")
        period, days = period_words(said), said / DAY_MS
        notes = (*rows.notes, f"a row is taken to span {period}, as --every says")
    elif ahead_ms or asked.period not in (None, AUTO):
        what = "its clock cannot be set" if ahead_ms else f"it cannot be taken by {asked.period}"
        said_how = ", or say what a row spans: --every 1h" if asked.row == AUTO else ""
        msg = (
            f"{rows.source} has no column of times, so {what}: add ts_ms, milliseconds since 1970 "
            f"at which each row begins{said_how}"
        )
        raise UnreadableData(msg)
    else:
        period, days, notes = "a row", None, rows.notes
    return Returns(
        coins=rows.coins,
        values=rows.values,
        period=period,
        days=days,
        source=rows.source,
        notes=notes,
    )


def _until(returns: Returns, end_ms: int) -> Returns:
    found = returns.until(end_ms)
    if not len(found.values) and returns.times is not None:
        msg = (
            f"{returns.source} begins {when(returns.times[0])}, after {when(end_ms)}; give returns "
            "from before it, or --until end to use these all the same"
        )
        raise UnreadableData(msg)
    return found
