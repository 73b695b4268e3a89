"""Which forecast is better? The Fissler-Ziegel score, Diebold-Mariano, and a confidence set.

`FZ0 = -1[y <= v] (v - y) / (a e) + v / e + ln(-e) - 1` with quantile `v` and tail mean `e` below 0:
lower is better, its mean is least at the true pair, where it is `ln(-e)`. Differences between
models do not depend on the unit of money. Sources: Fissler and Ziegel (2016), Patton, Ziegel and
Chen (2019), Diebold and Mariano (1995), Harvey, Leybourne and Newbold (1997), Hansen, Lunde and
Nason (2011).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.shortfall import Told
from keelmark.risk.backtests.statistic import Array, Statistic, require_forecasts
from keelmark.risk.scenarios import generator_of
from keelmark.risk.statistics.library import scipy_module

_FEW = 20
SET_LEVEL = 0.1
"""Of the model confidence set: it holds the best model in nine of ten histories."""


def fz0(told: Told) -> Array:
    """Return the score of each period."""
    quantile, mean = -told.value_at_risk, -told.shortfall
    beyond = np.maximum(quantile - told.profit, 0.0)
    score: Array = -beyond / (told.tail * mean) + quantile / mean + np.log(-mean) - 1.0
    return score


def diebold_mariano(one: Array, other: Array) -> Statistic:
    """Return the t statistic of the mean difference of scores; negative where `one` is better.

    Two-sided, with a Bartlett variance of `floor(4 (n/100)^(2/9))` lags and, for one-period
    forecasts, the small-sample factor `sqrt((n - 1) / n)` against Student t of `n - 1`.

    Raises:
        InvalidInput: Scores that do not lie beside each other.
    """
    name = "Diebold-Mariano"
    require_forecasts(one, other)
    difference = one - other
    count = len(difference)
    if count < _FEW:
        return Statistic.unknown(name, f"{count} periods; at least {_FEW} are needed")
    lags = int(4.0 * (count / 100.0) ** (2.0 / 9.0))
    variance = long_run_variance(difference, lags)
    if variance <= 0.0:
        return Statistic.unknown(name, "the scores differ by a constant: no variance to judge by")
    value = float(np.mean(difference) / np.sqrt(variance / count) * np.sqrt((count - 1) / count))
    p_value = 2.0 * float(scipy_module("special").stdtr(count - 1, -abs(value)))
    return Statistic(name=name, value=value, p_value=p_value, notes=(f"Bartlett, {lags} lags",))


def long_run_variance(series: Array, lags: int) -> float:
    """Return the Bartlett-weighted sum of autocovariances (Newey and West 1987)."""
    centred = series - series.mean()
    count = len(centred)
    total = float(centred @ centred) / count
    for lag in range(1, min(lags, count - 1) + 1):
        covariance = float(centred[lag:] @ centred[:-lag]) / count
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * covariance
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceSet:
    """The models that cannot be told from the best.

    Attributes:
        kept: Names, the best last to leave first.
        p_values: Of each model: the smallest level at which it leaves.
        note: How it was had.
    """

    kept: tuple[str, ...]
    p_values: Mapping[str, float]
    note: str


def confidence_set(
    scores: Mapping[str, Array], *, seed: int, level: float = SET_LEVEL, draws: int = 2000
) -> ConfidenceSet:
    """Return the model confidence set by the largest pairwise difference (range statistic).

    Stationary bootstrap (Politis and Romano 1994) with a mean block of `n^(1/3)`. Models leave one
    by one, the worst against its most distant rival first, while equality is rejected.

    Raises:
        InvalidInput: Fewer than two models, or scores of different lengths.
    """
    names = list(scores)
    if len(names) < 2:  # noqa: PLR2004 nothing to choose from
        msg = f"{len(names)} models; a confidence set chooses among at least two"
        raise InvalidInput(msg)
    require_forecasts(*scores.values())
    table = np.column_stack([scores[name] for name in names])
    block = max(round(len(table) ** (1.0 / 3.0)), 2)
    rows = bootstrap_rows(len(table), draws, block=block, seed=seed)
    means = table.mean(axis=0)
    drawn = np.stack([table[row].mean(axis=0) for row in rows]) - means
    p_values = _eliminated(names, means, drawn)
    kept = sorted((n for n in names if p_values[n] > level), key=lambda n: -p_values[n])
    note = f"range statistic, stationary bootstrap of {draws} draws, mean block {block}"
    return ConfidenceSet(kept=tuple(kept), p_values=p_values, note=f"{note}, seed {seed}")


def bootstrap_rows(
    count: int, draws: int, *, block: int, seed: int
) -> npt.NDArray[np.intp]:  # (draws, count)
    """Return rows of a stationary bootstrap: blocks of geometric length, wrapped at the end."""
    draw = generator_of(seed)
    starts = draw.integers(0, count, size=(draws, count))
    is_new = draw.random((draws, count)) < 1.0 / block
    is_new[:, 0] = True
    begun = np.maximum.accumulate(np.where(is_new, np.arange(count), 0), axis=1)
    rows: npt.NDArray[np.intp] = (
        np.take_along_axis(starts, begun, axis=1) + np.arange(count) - begun
    ) % count
    return rows


def _eliminated(names: list[str], means: Array, drawn: Array) -> dict[str, float]:
    """Return each model's p-value: the largest of the tests up to the one it leaves at."""
    left = list(range(len(names)))
    p_values: dict[str, float] = {}
    largest = 0.0
    while len(left) > 1:
        gaps = means[left][:, None] - means[left][None, :]
        spread = drawn[:, left][:, :, None] - drawn[:, left][:, None, :]
        error = np.sqrt(np.mean(spread**2, axis=0))
        error[error == 0.0] = np.inf  # a model beside itself, or its twin
        seen = float(np.max(np.abs(gaps) / error))
        largest = max(largest, float(np.mean(np.max(np.abs(spread) / error, axis=(1, 2)) >= seen)))
        worst = left[int(np.argmax(np.max(gaps / error, axis=1)))]
        p_values[names[worst]] = largest
        left.remove(worst)
    p_values[names[left[0]]] = 1.0
    return p_values
