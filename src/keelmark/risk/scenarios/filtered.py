"""Filtered history: past shocks over the deviation of their day, times that of today.

    z_t = x_t / sigma_t,   x* = sigma_{T+1} z,   sigma follows its recursion from step to step

`x` are log changes less their mean. Whole rows of `z` are drawn, so coins that fell together fall
together; over several steps the variance follows what was drawn, so that calm and storm come in
stretches as they do.

Source: Barone-Adesi, Giannopoulos, Vosper, Journal of Futures Markets 19 (1999); Hull, White,
Journal of Risk 1 (1998).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.draws import Resampled
from keelmark.risk.scenarios.historical import historical, stretch_ends
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.scenarios.scenarios import Scenarios, Shocks
from keelmark.risk.statistics import AsymmetricEwma, Filter, standardised

DAILY_DECAY = 0.94
"""Decay of a day, as RiskMetrics has it; a shorter step keeps the same days in mind."""

ROWS_MIN = 100
"""Changes a filter is run over at least: its start is forgotten by then."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filtered:
    """A history run through a filter.

    Attributes:
        returns: History.
        filter: What told the variances.
        variances: (changes + 1, coins); the last row is of the step to come.
        residuals: (changes, coins) shocks over their deviations.
    """

    returns: Returns
    filter: Filter
    variances: Array
    residuals: Array

    @property
    def days(self) -> float:
        """Length of a step; one where the file does not tell."""
        return self.returns.days or 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partly:
    """A filter over some columns; the others keep the variance of their whole history.

    A pegged price is calm until it jumps: over the deviation of its calm a jump is hundreds of
    deviations, and scaled by the next storm it would be nothing or the whole price.

    Attributes:
        base: Over the columns that are filtered.
        still: Whether each column is not.
    """

    base: Filter
    still: npt.NDArray[np.bool_]

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return self.base.name

    def variances(self, returns: Array) -> Array:
        """Return variance forecasts, (T + 1, k), of returns (T, k); the last row is for T + 1."""
        found = np.empty((len(returns) + 1, returns.shape[1]))
        found[:, self.still] = np.mean(returns[:, self.still] ** 2, axis=0)
        if not self.still.all():
            found[:, ~self.still] = self.base.variances(returns[:, ~self.still])
        return found

    def step(self, variance: Array, returns: Array) -> Array:
        """Return the variances (n, k) after `returns` (n, k), whose variances were `variance`."""
        found = variance.copy()
        if not self.still.all():
            moving = ~self.still
            found[:, moving] = self.base.step(variance[:, moving], returns[:, moving])
        return found


def default_filter(days: float) -> Filter:
    """Return the asymmetric EWMA whose weights halve in eleven days, whatever a step is."""
    return AsymmetricEwma(decay=DAILY_DECAY**days)


def filtered(
    returns: Returns, filter_: Filter | None = None, *, pegs: Sequence[str] = ()
) -> Filtered:
    """Return a history run through a filter.

    Args:
        returns: History.
        filter_: Tells variances; the asymmetric EWMA with a day's decay of 0.94 without.
        pegs: Columns that are not filtered, which is noted: pegged prices.

    Raises:
        InvalidInput: There are fewer than a hundred changes, or a coin stands still.
    """
    if len(returns.values) < ROWS_MIN:
        msg = (
            f"{returns.source}: {len(returns.values)} changes of {returns.period}; a filter takes "
            f"{ROWS_MIN}: give a longer history or a shorter period (--every)"
        )
        raise InvalidInput(msg)
    dead = [c for c, own in zip(returns.coins, returns.values.T, strict=True) if not own.any()]
    if dead:
        msg = f"{returns.source}: {', '.join(dead)} never moves: nothing tells how it could"
        raise InvalidInput(msg)
    used = default_filter(returns.days or 1.0) if filter_ is None else filter_
    still = np.array([coin in pegs for coin in returns.coins])
    if still.any():
        used = Partly(base=used, still=still)
        names = ", ".join(coin for coin in returns.coins if coin in pegs)
        note = f"{names}: shocks of a peg are drawn as they were, not by how calm it is now"
        returns = replace(returns, notes=(*returns.notes, note))
    logs = returns.logs - returns.logs.mean(axis=0)
    variances = used.variances(logs)
    return Filtered(
        returns=returns,
        filter=used,
        variances=variances,
        residuals=standardised(logs, variances),
    )


def filtered_historical(history: Filtered) -> ReturnModel:
    """Return the law of filtered history."""
    returns = history.returns
    return ReturnModel(
        coins=returns.coins,
        variance=history.variances[-1],
        draw=Resampled(residuals=history.residuals),
        recursion=history.filter,
        days=history.days,
        source=f"filtered history of {returns.source} ({history.filter.name})",
        notes=returns.notes,
    )


def volatility_scaled(history: Filtered, *, rows: int = 1) -> Scenarios:
    """Return each past stretch times what deviations are now over what they were as it began.

    Raises:
        InvalidInput: As `historical`.
    """
    past = historical(history.returns, rows=rows)
    starts = stretch_ends(history.returns, rows) + 1 - rows
    scale = np.sqrt(history.variances[-1] / history.variances[starts])
    scaled = np.expm1(np.log1p(past.returns.values) * scale)
    return Scenarios(
        returns=Shocks(names=past.returns.names, values=scaled),
        days=past.days,
        labels=past.labels,
        source=f"{past.source}, scaled to today's deviations ({history.filter.name})",
        notes=past.notes,
    )
