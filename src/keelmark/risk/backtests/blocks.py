"""One refit and the forecasts made with it: what a model sees, and what models share.

A block holds a window of periods to fit on and the periods forecast until the next fit. The
forecast of a period may read what came before it in the block, never itself or what comes after;
filters and pools of residuals are made here, so that this is kept in one place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keelmark.risk.backtests.statistic import Array
from keelmark.risk.statistics import AsymmetricEwma, Ewma, Filter, GarchFilter, fit_filter


@dataclass(kw_only=True, eq=False)
class Block:
    """A window, and the periods forecast by what was fitted on it.

    Attributes:
        profit: Of the portfolio, shape (window + rows,).
        returns: Of its coins, shape (window + rows, coins).
        profit_of: Profits of joint returns.
        coins: Names of the columns.
        window: Periods fitted on, and kept as a pool of residuals.
        decay: Of exponentially weighted filters.
        seed: Of what models draw in this block.
        before: Fits of the block before, to start from, by name.
    """

    profit: Array
    returns: Array
    profit_of: Callable[[Array], Array]
    coins: tuple[str, ...]
    window: int
    decay: float
    seed: int
    before: dict[str, GarchFilter]

    def __post_init__(self) -> None:
        self.fits: dict[str, GarchFilter] = {}

    @property
    def rows(self) -> int:
        """Periods forecast."""
        return len(self.profit) - self.window

    def pool(self, series: Array, row: int) -> Array:
        """Return the window of values before forecast `row`."""
        return series[row : row + self.window]

    @cached_property
    def ewma(self) -> "Filtered":
        """The portfolio's profit under EWMA."""
        return self._filtered(Ewma(decay=self.decay), self.profit[:, None])

    @cached_property
    def asymmetric_ewma(self) -> "Filtered":
        """The portfolio's profit under asymmetric EWMA."""
        return self._filtered(AsymmetricEwma(decay=self.decay), self.profit[:, None])

    @cached_property
    def joint_ewma(self) -> "Filtered":
        """Each coin under EWMA."""
        return self._filtered(Ewma(decay=self.decay), self.returns)

    @cached_property
    def gjr(self) -> "Filtered":
        """The portfolio's profit under GJR-GARCH with t innovations."""
        fit = self._fit("portfolio", self.profit[:, None], ("portfolio",))
        return self._filtered(fit, self.profit[:, None])

    @cached_property
    def joint_gjr(self) -> "Filtered":
        """Each coin under its own GJR-GARCH with t innovations."""
        return self._filtered(self._fit("coins", self.returns, self.coins), self.returns)

    def _fit(self, name: str, series: Array, columns: Sequence[str]) -> GarchFilter:
        """Fit on the window alone."""
        window = series[: self.window]
        fit = fit_filter(window, names=columns, warm=self.before.get(name))
        self.fits[name] = fit
        return fit

    def _filtered(self, recursion: Filter, series: Array) -> "Filtered":
        """Run a filter: each variance reads the periods before it, the start the window's first."""
        deviation = np.sqrt(recursion.variances(series)[:-1])
        return Filtered(recursion=recursion, deviation=deviation, residual=series / deviation)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filtered:
    """A series, or several, under a filter; all shape (window + rows, columns).

    Attributes:
        recursion: The filter.
        deviation: Forecast of each period, from those before it.
        residual: Each value over its forecast.
    """

    recursion: Any
    deviation: Array
    residual: Array
