"""Historical returns of coins: betas against a market, and how they move together.

Read from canonical bars (Parquet with `ts_ms`, `symbol`, `close`), or from a table of returns with
one column a coin (CSV or Parquet). Statistics are floats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput, KeelmarkError, UnreadableData, nearest
from keelmark.risk.symbols import coin_of
from keelmark.rulebooks import load_rulebook

DAY_MS = 86_400_000
_ROWS_MIN = 20
_BARS = {"ts_ms", "symbol", "close"}
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
    """

    coins: tuple[str, ...]
    values: Array
    period: str
    days: float | None
    source: str

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


def read_returns(path: str | Path) -> Returns:
    """Return the returns in a file.

    Raises:
        UnreadableData: It is no table of bars or returns, or holds fewer than twenty changes.
    """
    file = Path(path)
    try:
        frame = pl.read_csv(file) if file.suffix.lower() == ".csv" else pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        msg = f"{path}: cannot be read as CSV or Parquet ({error})"
        raise UnreadableData(msg) from error
    found = _of_bars(frame, str(path)) if set(frame.columns) >= _BARS else _table(frame, str(path))
    if len(found.values) < _ROWS_MIN:
        msg = f"{path}: {len(found.values)} changes; at least {_ROWS_MIN} are needed"
        raise UnreadableData(msg)
    return found


def coin_named(symbol: str) -> str:
    """Return the coin a symbol of bars is about, `1000PEPE` and `kPEPE` being `PEPE`."""
    try:
        base = load_rulebook("generic").terms_for(symbol).instrument.base
    except KeelmarkError:
        base = symbol
    return coin_of(base)[0]


def _of_bars(frame: pl.DataFrame, source: str) -> Returns:
    """Return the changes between closes, at the times at which every coin has one."""
    wide = frame.pivot(on="symbol", index="ts_ms", values="close", aggregate_function="last")
    wide = wide.sort("ts_ms").drop_nulls()
    names = _named_once([name for name in wide.columns if name != "ts_ms"], source)
    closes = wide.select(names.values()).to_numpy().astype(np.float64)
    if len(closes) < _ROWS_MIN or not bool(np.all(closes > 0.0)):
        msg = (
            f"{source}: {len(closes)} times have a positive close of every symbol; more are needed"
        )
        raise UnreadableData(msg)
    steps = np.diff(wide["ts_ms"].to_numpy())
    step = float(np.median(steps))
    whole = steps <= step  # a change over a gap spans more than one bar
    values = (closes[1:] / closes[:-1] - 1.0)[whole]
    return Returns(
        coins=tuple(names),
        values=values,
        period=f"{step / 60_000:g} minutes",
        days=step / DAY_MS,
        source=source,
    )


def _table(frame: pl.DataFrame, source: str) -> Returns:
    """Return a table of returns; a column of times is left out."""
    numbers = [n for n in frame.columns if n not in _TIMES and frame[n].dtype.is_numeric()]
    if not numbers:
        msg = f"{source}: neither bars (ts_ms, symbol, close) nor columns of returns by coin"
        raise UnreadableData(msg)
    names = _named_once(numbers, source)
    values = frame.select(names.values()).drop_nulls().to_numpy().astype(np.float64)
    if not bool(np.all(np.isfinite(values) & (values > -1.0))):
        msg = f"{source}: returns must be finite and above -1; are these prices?"
        raise UnreadableData(msg)
    return Returns(coins=tuple(names), values=values, period="a row", days=None, source=source)


def _named_once(symbols: Sequence[str], source: str) -> Mapping[str, str]:
    """Return symbols by coin; two symbols of one coin are refused."""
    found: dict[str, str] = {}
    for symbol in symbols:
        coin = coin_named(symbol)
        if coin in found:
            msg = f"{source}: {found[coin]} and {symbol} are both {coin}; keep one of them"
            raise UnreadableData(msg)
        found[coin] = symbol
    return found
