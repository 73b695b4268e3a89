"""Can violations be foretold? The dynamic quantile test of Engle and Manganelli (2004)."""

import numpy as np

from keelmark.risk.backtests.coverage import violations
from keelmark.risk.backtests.statistic import Array, Statistic, require_forecasts, require_tail
from keelmark.risk.statistics.library import scipy_module

NAME = "dynamic quantile"
LAGS = 4
_SINGULAR = 1e-9
"""A column whose part that the columns before it do not tell is smaller than this share of it."""


def dynamic_quantile(
    profit: Array,  # (periods,) losses below 0
    value_at_risk: Array,  # (periods,) above 0
    tail: float,
    lags: int = LAGS,
) -> Statistic:
    """Return `b' X'X b / (a (1 - a))` of the regression of `hit - a` on what was known before.

    X holds a constant, the hits of the `lags` periods before, and the value at risk itself. Under
    right forecasts nothing is explained: chi-squared with one degree of freedom a column.
    Columns that others tell are left out and named; each takes a degree of freedom with it.

    Raises:
        InvalidInput: Arrays that do not fit, or a tail outside (0, 0.5).
    """
    require_tail(tail)
    require_forecasts(profit, value_at_risk)
    hits = violations(profit, value_at_risk)
    if not hits.any():
        return Statistic.unknown(NAME, "no violation: lagged violations do not vary")
    rows = len(hits) - lags
    if rows <= lags + 2:
        return Statistic.unknown(NAME, f"{len(hits)} periods are too few for {lags} lags")
    demeaned: Array = hits.astype(np.float64) - tail
    columns: dict[str, Array] = {"constant": np.ones(rows)}
    columns |= {f"hit {lag} before": demeaned[lags - lag : -lag] for lag in range(1, lags + 1)}
    columns |= {"value at risk": value_at_risk[lags:] / float(np.mean(value_at_risk))}
    kept, left_out = independent_columns(columns)
    design = np.column_stack([columns[name] for name in kept])
    response = demeaned[lags:]
    slopes = np.linalg.lstsq(design, response, rcond=None)[0]
    value = float(np.sum((design @ slopes) ** 2)) / (tail * (1.0 - tail))
    notes = [f"{lags} lags of violations and the value at risk; {len(kept)} degrees of freedom"]
    if left_out:
        notes.append(f"left out, told by the others: {', '.join(left_out)}")
    p_value = float(scipy_module("special").chdtrc(len(kept), value))
    return Statistic(name=NAME, value=value, p_value=p_value, notes=tuple(notes))


def independent_columns(columns: dict[str, Array]) -> tuple[list[str], list[str]]:
    """Return the names of columns that those before them do not tell, and of those they do."""
    kept: list[str] = []
    basis: list[Array] = []
    for name, column in columns.items():
        rest = column.astype(np.float64)
        for direction in [*basis, *basis]:  # twice: once leaves rounding behind
            rest = rest - direction * float(direction @ rest)
        size = float(np.linalg.norm(rest))
        if size > _SINGULAR * max(float(np.linalg.norm(column)), 1e-300):
            kept.append(name)
            basis.append(rest / size)
    return kept, [name for name in columns if name not in kept]
